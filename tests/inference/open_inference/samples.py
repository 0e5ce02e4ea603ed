"""A predictor with a column of every type, its rows, and the tensors that stand for them."""

import json
import random
import struct
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.client import Client
from tests.dataset.datasets import create_dataset, create_template
from tests.train.training import trained

DATATYPES = {"age": "INT64", "colour": "BYTES", "price": "FP64", "member": "BOOL", "joined": "BYTES"}
COLUMNS = {"age": "Integer", "colour": "String", "price": "Float", "member": "Boolean", "joined": "Date"}
TARGETS = {"class": "level", "number": "spent"}
Row = Mapping[str, Any]


def rows_csv(target: str, rows: int = 400) -> bytes:
    """Return rows in which some values are missing; `level` has three classes, `spent` is a number."""
    dice = random.Random(5)
    lines = [",".join((*COLUMNS, target))]
    for number in range(rows):
        age, colour, price = dice.randint(18, 80), dice.choice(["01", "rot", "grün, hell"]), dice.uniform(1, 100)
        member, joined = dice.random() < 0.5, date(2020, 1, 1) + timedelta(dice.randrange(1000))
        score = age + (30 if colour == "01" else 0) + (20 if member else 0)
        value = (
            ("low" if score < 50 else "mid" if score < 80 else "high") if target == "level" else f"{score + price:.2f}"
        )
        cells = [str(age), f'"{colour}"', f"{price:.3f}", str(member).lower(), joined.isoformat()]
        if number % 9 == 0:
            cells[dice.randrange(5)] = ""
        lines.append(",".join((*cells, value)))
    return ("\n".join(lines) + "\n").encode()


def train_predictor(client: Client, name: str, target: str, **changes: Any) -> dict[str, Any]:
    """Train a predictor of `level` or `spent`; return its row in `train/list`."""
    template_id = create_template(client, **COLUMNS, **{target: "String" if target == "level" else "Float"})
    dataset = create_dataset(client, ("rows.csv", rows_csv(target)), template_id=template_id)
    return trained(
        client,
        dataset["id"],
        predictor_name=name,
        problem_type="Classification" if target == "level" else "Regression",
        columns=[{"column_name": target, "attribute_name": "Target"}],
        **changes,
    )


def make_rows(count: int) -> list[dict[str, Any]]:
    """Return rows as JSON has them; every fifth value is missing."""
    dice = random.Random(3)
    rows = []
    for _ in range(count):
        row = {
            "age": dice.randint(18, 80),
            "colour": dice.choice(["01", "rot", "grün, hell", "never seen"]),
            "price": dice.uniform(1, 100),
            "member": dice.random() < 0.5,
            "joined": (date(2020, 1, 1) + timedelta(dice.randrange(2000))).isoformat(),
        }
        rows.append({name: None if dice.random() < 0.2 else value for name, value in row.items()})
    return rows


ANY_ROW = st.fixed_dictionaries(
    {
        "age": st.none() | st.integers(-(2**63), 2**63 - 1),
        "colour": st.none() | st.sampled_from(["01", "rot", "grün, hell"]) | st.text(max_size=5),
        "price": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "member": st.none() | st.booleans(),
        "joined": st.none() | st.dates().map(str) | st.text(max_size=12),
    }
)
"""Rows that a caller may send, right and wrong ones."""


def json_inputs(rows: Sequence[Row], datatypes: Mapping[str, str] = DATATYPES) -> list[dict[str, Any]]:
    """Return the columns of rows as tensors in JSON."""
    return [
        {"name": name, "shape": [len(rows)], "datatype": datatype, "data": [row[name] for row in rows]}
        for name, datatype in datatypes.items()
    ]


def raw_column(datatype: str, values: Sequence[Any]) -> bytes:
    """Return the values of a column as bytes; a missing number is NaN, and a missing text is empty."""
    if datatype == "BYTES":
        texts = [b"" if value is None else str(value).encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    nan = float("nan")
    return b"".join(struct.pack("<d", nan if value is None else float(value)) for value in values)


def binary_body(rows: Sequence[Row], datatypes: Mapping[str, str], **more: Any) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a request whose tensors are bytes."""
    columns = {name: raw_column(datatype, [row[name] for row in rows]) for name, datatype in datatypes.items()}
    inputs = [
        {
            "name": name,
            "shape": [len(rows), 1],
            "datatype": datatypes[name],
            "parameters": {"binary_data_size": len(raw)},
        }
        for name, raw in columns.items()
    ]
    head = json.dumps({"inputs": inputs, **more}).encode()
    return {"Inference-Header-Content-Length": str(len(head))}, b"".join((head, *columns.values()))


def read_outputs(body: bytes, json_length: str | None) -> dict[str, list[Any]]:
    """Return the elements of each output of a response."""
    length = len(body) if json_length is None else int(json_length)
    raw, outputs = body[length:], {}
    for output in json.loads(body[:length])["outputs"]:
        if "data" in output:
            outputs[output["name"]] = output["data"]
            continue
        size = output["parameters"]["binary_data_size"]
        outputs[output["name"]] = read_raw(output["datatype"], raw[:size])
        raw = raw[size:]
    assert raw == b""
    return outputs


def read_raw(datatype: str, raw: bytes) -> list[Any]:
    """Return the elements in the bytes of an output."""
    if datatype != "BYTES":
        code = {"FP64": "d", "INT64": "q", "BOOL": "?"}[datatype]
        return [value for (value,) in struct.iter_unpack(f"<{code}", raw)]
    texts = []
    while raw:
        (length,) = struct.unpack_from("<I", raw)
        texts.append(raw[4 : 4 + length].decode())
        raw = raw[4 + length :]
    return texts
