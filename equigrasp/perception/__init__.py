"""From depth images to TSDF volumes: cameras, noise, table rectification, fusion."""
