"""What pages have people type: the lines of their code blocks that are meant for a shell."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from string import Template

VARIABLES = {"KIND": "packed"}
"""What pages write for a choice of the reader's, and the choice that is made for them here."""
PROGRAMS = ("python", "equigrasp", "make", "pip", ".", ".ci/run")
"""First words of lines that are typed; other lines of a block show what there is."""
SCREEN = ("xvfb-run", "-a")
"""Words in front of a program that only lend it a screen."""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$|^    (\S[^\n]*)$", re.MULTILINE | re.DOTALL)
"""A fenced block with its language, or a line of an indented one."""
COMMENTED = re.compile(r"""((?:'[^']*'|"[^"]*"|[^'"])*?)\s+#(?:\s.*)?""")
"""A command with a comment behind it."""
WRITTEN = re.compile(r"\b(?:data|runs|outputs)/[\w/]+")
"""A place in a comment."""
TARGETS = ("--out", "--sheet")
"""Options whose value is written."""
LEFT_OUT = re.compile(r"^(?!.*--\S+ \.\.\.).* \.\.\.(?: |$)")
"""A command with a gap in it, which is no value of an option."""
FILE = re.compile(r"\bconfigs/\S+\.yaml\b")
"""In a comment: the file whose lines a command with a gap stands for."""


@dataclass(frozen=True)
class Line:
    """One line to type.

    Attributes:
        page: path of the page in the repository, with slashes.
        text: as printed, its continuations joined.
    """

    page: str
    text: str

    @property
    def command(self) -> str:
        """What a shell is given: without the comment, and waited for."""
        found = COMMENTED.fullmatch(self.text)
        return (found[1] if found else self.text).rstrip("& ")

    @property
    def words(self) -> list[str]:
        """Program and arguments, variables filled in."""
        words = shlex.split(Template(self.command).safe_substitute(VARIABLES))
        while words and words[0] in SCREEN:
            words = words[1:]
        return words

    @property
    def written(self) -> list[str]:
        """Files and folders that the page, or an option, says this line writes."""
        comment = Template(self.text[len(self.command) :]).safe_substitute(VARIABLES)
        pairs = zip(self.words, self.words[1:], strict=False)
        return [*WRITTEN.findall(comment), *(value for name, value in pairs if name in TARGETS)]

    def commands(self, root: Path) -> list[str]:
        """What is typed: the command, or what it stands for if it has a gap (`...`): the lines of
        its program in the comments of the file that is named behind it.

        Args:
            root: of the repository.

        Raises:
            ValueError: no file is named, or it has no such lines.
        """
        if not LEFT_OUT.match(self.command):
            return [self.command]
        named = FILE.search(Template(self.text).safe_substitute(VARIABLES))
        program = " ".join(self.words[:3])
        text = (root / named[0]).read_text(encoding="utf-8") if named else ""
        comments = "\n".join(re.findall(r"^# *(.*)$", text, re.MULTILINE))
        lines = [line for line in _joined(comments) if line.startswith(program)]
        if not lines:
            raise ValueError(f"{self.page}: '{self.text}' has a gap; name a file that fills it")
        return lines

    @property
    def needs_repository(self) -> bool:
        """Whether it names a file of the repository, so that people type it there."""
        program, *rest = self.words
        return program in ("make", ".", ".ci/run") or (program == "python" and rest[0][0] != "-")


def pages(root: Path) -> list[Path]:
    """README, CONTRIBUTING and the documents below a root, by path."""
    found = (root / "README.md", root / "CONTRIBUTING.md", *sorted(root.glob("docs/**/*.md")))
    return [page for page in found if page.is_file()]


def typed(page: Path, root: Path) -> list[Line]:
    """Lines of a page that are meant for a shell, in their order: of blocks without or with its
    language, and of indented ones.

    Args:
        page: a file.
        root: of the repository.
    """
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    code = "\n".join(fenced or single for kind, fenced, single in blocks if kind in ("", "sh"))
    name = page.relative_to(root).as_posix()
    lines = [Line(name, text.strip()) for text in _joined(code)]
    return [line for line in lines if _program(line) in PROGRAMS]


def _joined(text: str) -> list[str]:
    """Lines, with those that go on in the next one."""
    return re.sub(r"\\\n\s*", " ", text).splitlines()


def _program(line: Line) -> str:
    words = line.text.split()
    while words and words[0] in SCREEN:
        words = words[1:]
    return words[0] if words else ""
