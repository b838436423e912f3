import roma
import torch

from equigrasp.policy.nn.agreement import most_supported, most_supported_pose


def test_the_best_supported_candidate_wins():
    crowd = torch.tensor([0.1, 0.2, 0.9]) + 0.005 * torch.randn(6, 3)
    lone = torch.tensor([[0.4, -0.2, 0.8], [0.0, 0.3, 1.2]])
    best = most_supported(torch.cat([lone, crowd])[None])
    assert (best[0] - torch.tensor([0.1, 0.2, 0.9])).norm() < 0.03


def test_support_counts_position_and_rotation():
    position = torch.tensor([0.1, 0.2, 0.9]).repeat(1, 7, 1)
    rotation = torch.eye(3).repeat(1, 7, 1, 1)
    rotation[0, :3] = roma.euler_to_rotmat("z", [torch.tensor([2.0, 2.05, 1.0])])
    assert most_supported_pose(position, rotation).item() >= 3  # the same place, turned otherwise
    position[0, 3:] = torch.rand(4, 3)
    position[0, 2] += 0.5
    assert most_supported_pose(position, rotation).item() in (0, 1)
