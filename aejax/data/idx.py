"""The MNIST family: where its files are, what they must hash to, and how to read them."""

import dataclasses
import gzip
import hashlib
from pathlib import Path

import numpy as np

from aejax.types import UserError

TRAIN_IMAGES, TRAIN_LABELS = 'train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz'
TEST_IMAGES, TEST_LABELS = 't10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz'


@dataclasses.dataclass(frozen=True)
class IdxConfig:
    """One member of the family: 28x28 grey images in four gzipped IDX files.

    Attributes:
        url: of the folder that holds the files.
        files: size in bytes and SHA-256 of each.
        citation: the paper's address.
        image_shape: [height, width, channels].
        num_classes: of the labels.
    """

    url: str
    files: dict[str, tuple[int, str]]
    citation: str
    image_shape: tuple[int, int, int] = (28, 28, 1)
    num_classes: int = 10


# Addresses, sizes and checksums: TensorFlow Datasets 4.9.10, tensorflow_datasets/url_checksums/{mnist,fashion_mnist,kmnist}.txt.
IDX_CONFIGS: dict[str, IdxConfig] = {
    'mnist': IdxConfig(
        url='https://storage.googleapis.com/cvdf-datasets/mnist/',
        files={
            TRAIN_IMAGES: (9912422, '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609'),
            TRAIN_LABELS: (28881, '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c'),
            TEST_IMAGES: (1648877, '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6'),
            TEST_LABELS: (4542, 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6'),
        },
        citation='http://yann.lecun.com/exdb/mnist/',
    ),
    'fashion_mnist': IdxConfig(
        url='http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
        files={
            TRAIN_IMAGES: (26421880, '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84'),
            TRAIN_LABELS: (29515, 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845'),
            TEST_IMAGES: (4422102, '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073'),
            TEST_LABELS: (5148, '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5'),
        },
        citation='https://arxiv.org/abs/1708.07747',
    ),
    'kmnist': IdxConfig(
        url='http://codh.rois.ac.jp/kmnist/dataset/kmnist/',
        files={
            TRAIN_IMAGES: (18165135, '51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4'),
            TRAIN_LABELS: (29497, 'e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17'),
            TEST_IMAGES: (3041136, 'edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5'),
            TEST_LABELS: (5120, '20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c'),
        },
        citation='https://arxiv.org/abs/1812.01718',
    ),
}


def read_images(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """The images [n, *shape], uint8, of a gzipped IDX file, in the file's order. The header is 16 bytes."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16).reshape(-1, *shape)


def read_labels(path: Path) -> np.ndarray:
    """The labels [n], uint8, of a gzipped IDX file, in the file's order. The header is 8 bytes."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=8)


def check_file(path: Path, name: str) -> None:
    """Compares a raw file of data set `name` with its SHA-256.

    Raises:
        UserError: the file is missing, cut short, another data set's, or simply other bytes.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        files = ', '.join(IDX_CONFIGS[name].files)
        raise UserError(f'cannot read {path} ({error.strerror}): the download folder of {name} must hold {files}') from error
    check_content(content, name, path.name, str(path))


def check_content(content: bytes, name: str, file: str, origin: str) -> None:
    """The same for bytes that came from `origin`, as they are named in the message."""
    config = IDX_CONFIGS[name]
    size, checksum = config.files[file]
    found = hashlib.sha256(content).hexdigest()
    if found == checksum:
        return
    for other in IDX_CONFIGS:
        if IDX_CONFIGS[other].files[file][1] == found:
            raise UserError(f'{origin} belongs to {other}, not to {name}: keep the files of each in a sub-folder of its name')
    if len(content) < size:
        raise UserError(f'{origin} is cut short ({len(content)} of {size} bytes): fetch it again from {config.url}{file}')
    raise UserError(f'{origin} has the wrong checksum (SHA-256 {found}): fetch it again from {config.url}{file}')
