"""Sentences as tokens of a local CLIP: frozen weights, read from a folder, never downloaded.

Tokens are the last hidden states of CLIP's text half, start and end included, as in the published
policies (ViT-B/32 there). Only the linear layer behind it is trained and saved: the weights of CLIP
stay where they are, and a checkpoint remembers their name and SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from equigrasp.data.files import read_json
from equigrasp.optional import require
from equigrasp.policy.nn.vocabulary import split_words

WEIGHTS, PICKLED, CONFIG = "model.safetensors", "pytorch_model.bin", "config.json"
MODEL_TYPES = ("clip", "clip_text_model")
"""Kinds of models, by their config, that have CLIP's text transformer."""
REMEMBERED = 4096
"""Sentences whose tokens are kept; the oldest is forgotten first."""


class FrozenClip:
    """CLIP's text transformer on the CPU. Each sentence is encoded once and remembered.

    It is no `nn.Module`: a policy that holds one neither trains nor saves it, and copies of the
    policy share it.

    Args:
        folder: with `config.json`, `model.safetensors` and the tokenizer's files, as
            `save_pretrained` leaves them; of a whole CLIP or of its text half.

    Attributes:
        name: of the folder.
        sha256: of `model.safetensors`, 64 hexadecimal digits.
        width: of the tokens.

    Raises:
        ImportError: transformers is not installed.
        FileNotFoundError: the folder or one of its files is missing.
        ValueError: the weights are torn, pickled, or no CLIP's.
    """

    def __init__(self, folder: str | Path) -> None:
        transformers = require("transformers", "text from CLIP")
        self.folder = Path(folder)
        _check_files(self.folder)
        self.name = self.folder.resolve().name
        self.sha256 = _digest(self.folder / WEIGHTS)
        self._tokenizer, self._model = _load(transformers, self.folder)
        self.width: int = self._model.config.hidden_size
        self._known: dict[str, Tensor] = {}

    def __deepcopy__(self, memo: dict) -> FrozenClip:
        return self

    def encode(self, sentences: Sequence[str]) -> list[Tensor]:
        """Last hidden states (T, width) of each sentence, float32; long sentences are cut.

        Raises:
            ValueError: no sentence, or one without a word.
        """
        empty = next((sentence for sentence in sentences if not split_words(sentence)), None)
        if not sentences or empty is not None:
            raise ValueError(f"no words to understand in {empty!r}; say what shall be done")
        return [self._encode(sentence) for sentence in sentences]

    def _encode(self, sentence: str) -> Tensor:
        if sentence not in self._known:
            longest = self._model.config.max_position_embeddings
            numbers = self._tokenizer(
                [sentence], truncation=True, max_length=longest, return_tensors="pt"
            )
            # What is remembered must not depend on the precision of whoever asks first.
            with torch.no_grad(), torch.autocast("cpu", enabled=False):
                states = self._model(input_ids=numbers["input_ids"]).last_hidden_state[0]
            if len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[sentence] = states
        return self._known[sentence]


class ClipTextEncoder(nn.Module):
    """Tokens of a frozen CLIP, brought to the policy's width by a linear layer that is trained.

    Called like `equigrasp.policy.nn.text.TextEncoder`; it knows every word.

    Args:
        folder: see `FrozenClip`, also for what is raised.
        channels: width of the tokens.
    """

    def __init__(self, folder: str | Path, channels: int) -> None:
        super().__init__()
        self.clip = FrozenClip(folder)
        self.project = nn.Linear(self.clip.width, channels)

    def forward(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens (B, T, C) of sentences, and their mask (B, T), True for tokens.

        Raises:
            ValueError: no sentence, or one without a word.
        """
        states = self.clip.encode(sentences)
        lengths = torch.tensor([len(rows) for rows in states])
        mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
        tokens = self.project(pad_sequence(states, batch_first=True).to(self.project.weight))
        return tokens, mask.to(tokens.device)

    @property
    def description(self) -> dict[str, str]:
        """For a checkpoint's card: name of CLIP's folder and SHA-256 of its weights."""
        return {"clip": self.clip.name, "sha256": self.clip.sha256}

    def check(self, description: Mapping[str, str]) -> None:
        """Make sure that this is the CLIP that a policy was trained with.

        Args:
            description: what it was then. Folders may have been renamed since.

        Raises:
            ValueError: the weights are others.
        """
        if description["sha256"] != self.clip.sha256:
            name, digest = description["clip"], description["sha256"]
            raise ValueError(
                f"the policy was trained with the CLIP '{name}', {WEIGHTS} of SHA-256 "
                f"{digest}; {self.clip.folder} holds another one ({self.clip.sha256}): "
                f"give the folder of '{name}'"
            )


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {folder}; text from CLIP is read from a local folder (nothing is "
            "downloaded), as `CLIPTextModel.save_pretrained` and `CLIPTokenizer.save_pretrained` "
            "leave it"
        )
    if not (folder / WEIGHTS).is_file() and (folder / PICKLED).is_file():
        raise ValueError(
            f"{folder / PICKLED} is a pickle, which may run code when it is read; if you trust it, "
            f"turn it into {WEIGHTS} yourself: CLIPTextModel.from_pretrained('{folder}')"
            ".save_pretrained('NEW_FOLDER'), and copy the tokenizer's files"
        )
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} has no {name}; give the folder of a CLIP")
    tokenizers = (("tokenizer.json",), ("vocab.json", "merges.txt"))
    if not any(all((folder / name).is_file() for name in files) for files in tokenizers):
        raise FileNotFoundError(
            f"{folder} has no tokenizer: neither tokenizer.json nor vocab.json and merges.txt; "
            "copy them from where the CLIP came from"
        )
    try:
        kind = read_json(folder / CONFIG).get("model_type")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{folder / CONFIG}: torn, or no configuration: {error}") from error
    if kind not in MODEL_TYPES:
        raise ValueError(f"{folder} holds a model of type '{kind}', not a CLIP")


def _load(transformers: Any, folder: Path) -> tuple[Any, Any]:
    local = {"local_files_only": True}
    try:
        with _quiet(transformers):
            tokenizer = transformers.CLIPTokenizer.from_pretrained(folder, **local)
            model, report = transformers.CLIPTextModel.from_pretrained(
                folder,
                use_safetensors=True,
                output_loading_info=True,
                **local,
            )
    except Exception as error:  # whatever the reader of a torn file happens to raise
        raise ValueError(f"{folder}: torn, or no CLIP: {error}") from error
    if report["missing_keys"]:  # transformers would leave them at random
        raise ValueError(f"{folder / WEIGHTS} lacks '{min(report['missing_keys'])}' of a CLIP")
    return tokenizer, model.float().eval().requires_grad_(False)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**24):
            found.update(block)
    return found.hexdigest()


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bars, and no report that the image half's weights are left over."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
