"""Batches loaded ahead, and the cores that this may take."""

import threading

import pytest
import torch

from equigrasp.training.loader import load_batches


class Threads:
    """Items that tell how many threads torch would compute them with, and which thread did."""

    def __len__(self):
        return 12

    def __getitem__(self, key):
        return {
            "key": torch.tensor(key),
            "threads": torch.tensor(torch.get_num_threads()),
            "thread": torch.tensor(threading.get_ident()),
        }


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_loader_thread_keeps_to_one_core(three_threads, workers):
    batches = list(load_batches(Threads(), [[0, 1, 2], [3, 4, 5], [6, 7]], workers=workers))
    assert torch.cat([batch["key"] for batch in batches]).tolist() == list(range(8))
    assert torch.cat([batch["threads"] for batch in batches]).unique().tolist() == [1]
    assert threading.get_ident() not in torch.cat([batch["thread"] for batch in batches])


def test_threads_of_the_training_and_of_others_stay(three_threads):
    found = []
    batches = load_batches(Threads(), [[0], [1]], workers=2)
    next(batches)
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert (torch.get_num_threads(), found) == (3, [3])
    batches.close()


def test_loading_without_threads_happens_where_it_is_asked(three_threads):
    (batch,) = load_batches(Threads(), [[5]], workers=0)
    assert (batch["threads"].item(), batch["thread"].item()) == (3, threading.get_ident())


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_errors_come_at_their_batch_unchanged(workers):
    class Broken(Threads):
        def __getitem__(self, key):
            if key == 4:
                raise LookupError("scene 4 is torn")
            return super().__getitem__(key)

    batches = load_batches(Broken(), [[0, 1], [2, 3], [4, 5]], workers=workers)
    assert next(batches)["key"].tolist() == [0, 1]
    assert next(batches)["key"].tolist() == [2, 3]
    with pytest.raises(LookupError, match="scene 4 is torn"):
        next(batches)
