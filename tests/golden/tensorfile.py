"""Write and read safetensors files (F32 and I32), with numpy alone.

Layout: u64 little-endian length of the header; the header, JSON padded with
spaces to a multiple of 8 bytes; the tensors one after another, little-endian,
in the order of their names. `data_offsets` count from the end of the header.
"""

import json
import struct

import numpy as np

NAMES = {np.dtype("<f4"): "F32", np.dtype("<i4"): "I32"}
DTYPES = {name: dtype for dtype, name in NAMES.items()}


def save(path, tensors, metadata):
    """Write `tensors` (name -> numpy array, float32 or int32); metadata is str -> str."""
    header = {"__metadata__": metadata}
    offset = 0
    for name in sorted(tensors):
        array = tensors[name]
        header[name] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)))
        out.write(text)
        for name in sorted(tensors):
            out.write(np.ascontiguousarray(tensors[name]).tobytes())


def load(path):
    """Return (tensors, metadata) of a file that `save` wrote."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        flat = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata
