"""Two-level attention: equal to the published mask, isolated, and worth one encoding."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from equigrasp.diffusion.attention import TwoLevelAttention
from equigrasp.diffusion.batch import flatten_samples, repeat_conditions
from equigrasp.diffusion.modulation import AdaptiveLayerNorm, sinusoidal_embedding

B, M, L, N, C = 3, 5, 2, 7, 8


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def layer():
    torch.manual_seed(0)
    return TwoLevelAttention(C, 2).double()


def dense(attention, samples, conditions, mask):
    """The paper's formulation: one sequence [samples, condition] and a binary mask (eq. 12-13)."""
    b, m, length, c = samples.shape
    n = conditions.shape[1]
    tokens = torch.cat([samples.flatten(1, 2), conditions], 1)
    own = torch.block_diag(*[torch.ones(length, length)] * m).bool()
    allowed = torch.ones(b, m * length + n, m * length + n, dtype=torch.bool)
    allowed[:, : m * length, : m * length] = own
    allowed[:, m * length :, : m * length] = False
    allowed[:, :, m * length :] &= mask.unsqueeze(1)
    q, k, v = attention.project(tokens).unflatten(-1, (3, attention.heads, -1)).unbind(2)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    logits = (q @ k.transpose(-1, -2)) / q.shape[-1] ** 0.5
    weights = logits.masked_fill(~allowed.unsqueeze(1), -torch.inf).softmax(-1)
    out = attention.out_projection((weights @ v).transpose(1, 2).flatten(2))
    return out[:, : m * length].unflatten(1, (m, length)), out[:, m * length :]


@pytest.mark.parametrize("length", [1, 2])
def test_equals_the_dense_masked_attention_of_the_paper(length):
    attention = layer()
    samples, conditions = seeded(B, M, length, C), seeded(B, N, C, seed=1)
    mask = torch.arange(N) < torch.tensor([[N], [4], [1]])
    expected_samples, expected_conditions = dense(attention, samples, conditions, mask)
    out, memory = attention.condition(conditions, mask)
    torch.testing.assert_close(out[mask], expected_conditions[mask], rtol=0, atol=1e-12)
    torch.testing.assert_close(
        attention.samples(samples, memory, mask), expected_samples, rtol=0, atol=1e-12
    )
    single = copy.deepcopy(attention).float()
    _, memory = single.condition(conditions.float(), mask)
    torch.testing.assert_close(
        single.samples(samples.float(), memory, mask).double(), expected_samples, rtol=0, atol=1e-6
    )


def test_keys_and_values_are_those_of_the_self_attention():
    attention, conditions = layer(), seeded(B, N, C, seed=1)
    for rotate in (None, lambda x: x.flip(-1)):
        _, both = attention.condition(conditions, None, rotate)
        for first, second in zip(attention.remember(conditions, rotate), both, strict=True):
            assert torch.equal(first, second)


def test_a_condition_without_tokens_gives_finite_values_and_gradients():
    attention = layer()
    samples = seeded(B, M, L, C).requires_grad_()
    mask = torch.zeros(B, N, dtype=torch.bool)
    mask[0] = True
    _, memory = attention.condition(seeded(B, N, C, seed=1), None)
    out = attention.samples(samples, memory, mask)
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert torch.isfinite(samples.grad).all()


class Denoiser(nn.Module):
    """A condition encoder (once per condition) and a sample side (once per sample)."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(C, C), nn.GELU(), nn.Linear(C, C))
        self.attention = TwoLevelAttention(C, 2)
        self.norm = AdaptiveLayerNorm(16, C)
        nn.init.normal_(self.norm.film.linear.weight, std=0.3)
        self.out_projection = nn.Linear(C, 3)

    def forward(self, samples, time, conditions, mask):
        conditions, memory = self.attention.condition(self.encoder(conditions), mask)
        h = samples + self.attention.samples(samples, memory, mask)
        context = sinusoidal_embedding(time, 16)
        return self.out_projection(self.norm(h, context)), conditions


@pytest.fixture
def denoiser():
    torch.manual_seed(0)
    return Denoiser().double()


@pytest.fixture
def inputs():
    mask = torch.arange(N) < torch.tensor([[N], [4], [1]])
    time = torch.rand(B, M, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return seeded(B, M, L, C), time, seeded(B, N, C, seed=1), mask


def test_loss_and_gradients_equal_naive_replication(denoiser, inputs):
    samples, time, conditions, mask = inputs
    target = seeded(B, M, L, 3, seed=5)
    loss = F.l1_loss(denoiser(*inputs)[0], target)
    loss.backward()
    naive = copy.deepcopy(denoiser)
    naive.zero_grad()
    rows = [flatten_samples(repeat_conditions(x, M)) for x in (conditions, mask)]
    alone = [flatten_samples(x).unsqueeze(1) for x in (samples, time, target)]
    predicted, _ = naive(alone[0], alone[1], *rows)
    replicated = F.l1_loss(predicted, alone[2])
    replicated.backward()
    torch.testing.assert_close(loss, replicated, rtol=0, atol=1e-12)
    for (name, a), b in zip(denoiser.named_parameters(), naive.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=1e-11, msg=name)


def test_a_condition_moves_its_own_samples_only(denoiser, inputs):
    samples, time, conditions, mask = inputs
    before, _ = denoiser(*inputs)
    changed = conditions.clone()
    changed[1, 0] += 1
    after, _ = denoiser(samples, time, changed, mask)
    assert torch.equal(after[[0, 2]], before[[0, 2]])
    assert ((after[1] - before[1]).abs().amax((-1, -2)) > 1e-6).all()


def test_a_sample_moves_itself_only_and_no_condition(denoiser, inputs):
    samples, time, conditions, mask = inputs
    before, seen = denoiser(*inputs)
    changed = samples.clone()
    changed[1, 3] += 1
    after, still = denoiser(changed, time, conditions, mask)
    assert torch.equal(seen, still)
    moved = (after - before).abs().amax((-1, -2)) > 1e-12
    expected = torch.zeros(B, M, dtype=torch.bool)
    expected[1, 3] = True
    assert torch.equal(moved, expected)


def test_the_order_of_samples_does_not_matter(denoiser, inputs):
    samples, time, conditions, mask = inputs
    order = torch.randperm(M, generator=torch.Generator().manual_seed(0))
    out, _ = denoiser(*inputs)
    shuffled, _ = denoiser(samples[:, order], time[:, order], conditions, mask)
    torch.testing.assert_close(shuffled, out[:, order])


def test_ragged_conditions_and_samples_equal_each_one_alone(denoiser, inputs):
    samples, time, conditions, mask = inputs
    noisy = conditions.masked_fill(~mask.unsqueeze(-1), 1e3)  # padding may hold anything
    whole, _ = denoiser(samples, time, noisy, mask)
    lengths = mask.sum(1)
    for i in range(B):
        own = conditions[i : i + 1, : lengths[i]]
        for j in (0, M - 1):
            alone, _ = denoiser(
                samples[i : i + 1, j : j + 1],
                time[i : i + 1, j : j + 1],
                own,
                torch.ones(1, int(lengths[i]), dtype=torch.bool),
            )
            torch.testing.assert_close(alone[0, 0], whole[i, j], rtol=0, atol=1e-12)


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match="7 channels"):
        TwoLevelAttention(7, 2)


def test_conditions_turn_queries_and_keys_and_leave_no_value_where_nothing_is():
    attention, tokens = layer(), seeded(B, N, C)
    mask = torch.arange(N).expand(B, N) < torch.tensor([N, 4, 2])[:, None]

    def rotate(x):  # a position code: the first half of the channels by the place of the token
        place = torch.arange(x.shape[-2], dtype=x.dtype)[:, None]
        return torch.cat([x[..., :2] * (1 + place), x[..., 2:]], -1)

    out, (key, value) = attention.condition(tokens, mask, rotate)
    query, plain, values = attention._heads(tokens)
    torch.testing.assert_close(key, rotate(plain))
    torch.testing.assert_close(value, values)
    allowed = mask[:, None, None]
    expected = F.scaled_dot_product_attention(
        rotate(query), rotate(plain), values, attn_mask=allowed
    )
    expected = attention.out_projection(expected.transpose(1, 2).flatten(2))
    torch.testing.assert_close(out[mask], expected[mask])
    assert (out[~mask] == 0).all()
    samples = seeded(B, M, L, C, seed=3)
    seen = attention.samples(samples, (key, value), mask, rotate)
    for b in range(B):  # each sample with its condition as one short sequence
        for m in range(M):
            q, k, v = attention._heads(samples[b : b + 1, m])
            keys = torch.cat([key[b : b + 1, :, : mask[b].sum()], rotate(k)], -2)
            joined = torch.cat([value[b : b + 1, :, : mask[b].sum()], v], -2)
            one = F.scaled_dot_product_attention(rotate(q), keys, joined)
            one = attention.out_projection(one.transpose(1, 2).flatten(2))
            torch.testing.assert_close(seen[b, m], one[0])
