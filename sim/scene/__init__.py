"""A scene in PyBullet and as rays see it."""
