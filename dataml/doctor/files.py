"""The files in storage, compared with the rows that refer to them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dataml.doctor.findings import Check, Finding, error, warning
from dataml.doctor.references import Kind, Reference
from dataml.ml.bundle.manifest import MANIFEST_FILE, BundleDamaged, read_file, read_manifest
from dataml.storage import disk
from dataml.storage.hashing import hash_file
from dataml.storage.space import format_bytes
from dataml.storage.storage import ATTEMPTS, UPLOADS, Storage

_RESTORE: Final = "restore it from a backup"
_ADVICE: Final = {
    Kind.UPLOAD: f"{_RESTORE}, or delete the file and upload it again",
    Kind.RESULT: f"{_RESTORE}, or delete the file and start the batch again",
    Kind.ROWS: f"validate the dataset again, or {_RESTORE}",
    Kind.ERRORS: f"validate the dataset again, or {_RESTORE}",
    Kind.SET_ASIDE: f"validate the dataset again, or {_RESTORE}",
    Kind.TRAINED_ROWS: f"{_RESTORE}; the model works without it, and a new feature importance does not",
    Kind.BUNDLE: f"{_RESTORE}, or delete the training and train again",
    Kind.EXPLANATION: f"start the feature importance again, or {_RESTORE}",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file that a row refers to."""

    reference: Reference
    reason: str

    def to_finding(self) -> Finding:
        """Return the finding, with how the file can be made again."""
        return error(Check.FILES, f"{self.reference} {self.reason}", _ADVICE[self.reference.kind])


def check_files(storage: Storage, references: Iterable[Reference], *, hashes: bool) -> list[Problem]:
    """Return what is wrong with files on this disk: what is missing, has another size, or with `hashes` other content.

    Of an object store only what is missing. Blocking.

    Raises:
        Unavailable: the store does not answer.
    """
    if storage.store is not None:
        return _check_objects(storage, references)
    reasons = ((each, _find_reason(storage.path(each.name), each, hashes=hashes)) for each in references)
    return [Problem(reference, reason) for reference, reason in reasons if reason is not None]


def _check_objects(storage: Storage, references: Iterable[Reference]) -> list[Problem]:
    assert storage.store is not None
    names = {name for top in (UPLOADS, ATTEMPTS) for name, _ in storage.store.list_objects(top)}
    folders = {name.rpartition("/")[0] for name in names}
    return [
        Problem(each, "is missing in the object store")
        for each in references
        if each.name not in names and each.name not in folders
    ]


def _find_reason(path: Path, reference: Reference, *, hashes: bool) -> str | None:
    try:
        if reference.kind is Kind.BUNDLE:
            return _check_bundle(path, reference.sha256, hashes=hashes)
        if not path.exists():
            return "is missing"
        if reference.size_bytes is not None and path.stat().st_size != reference.size_bytes:
            return f"has {path.stat().st_size:,} bytes instead of {reference.size_bytes:,}"
        if hashes and reference.sha256 is not None and hash_file(path) != reference.sha256:
            return "is not what was written: its SHA-256 differs"
    except OSError as failure:
        return f"cannot be read: {failure.strerror}"
    return None


def _check_bundle(folder: Path, sha256: str | None, *, hashes: bool) -> str | None:
    if not folder.exists():
        return "is missing"
    try:
        manifest = read_manifest(folder)
        if sha256 is not None and hash_file(folder / MANIFEST_FILE) != sha256:
            return "has another manifest than was written"
        for name, record in manifest.files.items():
            if hashes:
                read_file(folder, manifest, name)
            elif not (folder / name).exists():
                return f"lacks its file {name}"
            elif (folder / name).stat().st_size != record.size_bytes:
                return f"has a file {name} of another size than was written"
    except BundleDamaged as damage:
        return f"is damaged: {damage.detail.rstrip('.')}"
    return None


def describe_orphans(storage: Storage, folders: list[str]) -> Iterator[Finding]:
    """Yield a finding for the folders that no row refers to, if there are any."""
    if folders:
        size_bytes = sum(disk.size_bytes(path) for path in map(storage.path, folders) if path.exists())
        examples = ", ".join(sorted(folders)[:3]) + (", …" if len(folders) > 3 else "")
        message = f"{len(folders)} folders of {format_bytes(size_bytes)} are of no row: {examples}"
        advice = "the platform removes them by itself while it runs; restore the database first if it is an older copy"
        yield warning(Check.FILES, message, advice)
