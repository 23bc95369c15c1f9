import io
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from sklearn import datasets

from aejax import data
from aejax.data import prepared, tfds_images
from aejax.types import UserError


def prepare(folder, name, features, examples):
    """Writes examples by split as array_record, with no code of aejax's."""

    class Prepared(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version('1.0.0')

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {split: iter(enumerate(rows)) for split, rows in examples.items()}

        def _generate_examples(self):
            raise NotImplementedError

    Prepared.name = name
    with prepared.quietly():
        builder = Prepared(data_dir=folder, file_format='array_record')
        builder.download_and_prepare(download_dir=folder / 'downloads')
    return folder / name / '1.0.0'


@pytest.fixture
def png(tmp_path):
    """Digits stored as the stock builders store images: PNG in a `tfds.features.Image`, which only TensorFlow could write."""
    bunch = datasets.load_digits(n_class=3)
    images = (bunch.images * 15).astype(np.uint8)
    rows = []
    for image, label in zip(images, bunch.target, strict=True):
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, format='PNG')
        rows.append({'image': encoded.getvalue(), 'label': int(label)})
    label = tfds.features.ClassLabel(num_classes=3)
    folder = prepare(tmp_path, 'png', {'image': tfds.features.Text(), 'label': label}, {'train': rows[:400], 'test': rows[400:]})
    tfds.features.FeaturesDict({'image': tfds.features.Image(shape=(8, 8, 1)), 'label': label}).save_config(folder)
    return images[..., None], bunch.target


def test_stock_images_are_read_without_tensorflow(png, tmp_path):
    images, labels = png
    loaded = data.load('tfds:png', data_dir=tmp_path)
    assert loaded.spec.shape == (8, 8, 1)
    assert loaded.spec.num_classes == 3
    assert [len(split['x']) for split in loaded.splits.values()] == [334, 66, len(images) - 400]
    x = np.concatenate([split['x'] for split in loaded.splits.values()])
    label = np.concatenate([split['label'] for split in loaded.splits.values()])
    ours, truth = (np.column_stack([a.reshape(len(a), -1), b]) for a, b in ((x, label), (images, labels)))
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], truth[np.lexsort(truth.T)])
    assert loaded.fingerprint == data.load('tfds:png:1.0.0', data_dir=tmp_path, seed=4).fingerprint


@pytest.mark.usefixtures('png')
def test_a_prepared_set_can_be_streamed(tmp_path):
    source = tfds_images.open_source('tfds:png', 'train', tmp_path)
    batch = next(data.batches(source, 16, seed=0))
    assert (batch['x'].shape, batch['x'].dtype, batch['label'].dtype) == ((16, 8, 8, 1), np.uint8, np.int32)
    with pytest.raises(UserError, match="tfds:png has no split 'dev': choose one of"):
        tfds_images.open_source('tfds:png', 'dev', tmp_path)


@pytest.mark.usefixtures('png')
def test_reading_is_quiet(tmp_path):
    code = f'from aejax import data; data.load("tfds:png", data_dir={str(tmp_path)!r})'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ''


def test_our_own_records_give_the_same_data(tiny, tmp_path):
    ours = data.load('kmnist', data_dir=tmp_path, download_dir=tiny.folder, preprocessing='static_binarisation')
    read = data.load('tfds:aejax_idx/kmnist', data_dir=tmp_path, preprocessing='static_binarisation')
    assert read.fingerprint == ours.fingerprint


def test_existing_splits_are_kept_and_a_missing_label_is_none(tmp_path):
    feature = tfds.features.Tensor(shape=(2, 3, 3), dtype=np.uint8)
    images = np.random.default_rng(0).integers(256, size=(24, 2, 3, 3), dtype=np.uint8)
    rows = [{'picture': image} for image in images]
    prepare(tmp_path, 'three', {'picture': feature}, {'train': rows[:12], 'validation': rows[12:20], 'test': rows[20:]})
    prepare(tmp_path, 'two', {'picture': feature}, {'train': rows[:12], 'validation': rows[12:]})
    three, two = data.load('tfds:three', data_dir=tmp_path), data.load('tfds:two', data_dir=tmp_path)
    assert [len(split['x']) for split in three.splits.values()] == [12, 8, 4]
    assert [len(split['x']) for split in two.splits.values()] == [10, 2, 12]
    assert three.spec.num_classes == 0
    assert three.split('test').keys() == {'x'}


def test_misuse_is_one_line_that_says_what_to_do(tiny, tmp_path):
    data.load('kmnist', data_dir=tmp_path, download_dir=tiny.folder)
    folder = tmp_path / 'aejax_idx' / 'kmnist' / '1.0.0'
    vector = tfds.features.Tensor(shape=(3,), dtype=np.float32)
    prepare(tmp_path, 'vectors', {'v': vector}, {'train': [{'v': np.zeros(3, np.float32)}]})
    picture = {'image': tfds.features.Tensor(shape=(2, 2, 1), dtype=np.uint8)}
    prepare(tmp_path, 'lonely', picture, {'train': [{'image': np.zeros((2, 2, 1), np.uint8)}]})
    expected = {
        'tfds:cifar10': f'tfds:cifar10 is not prepared in {tmp_path}: prepare it with TFDS',
        'tfds:': 'is not prepared in',
        'tfds:../../etc': 'is not prepared in',
        'tfds:vectors': 'tfds:vectors holds no uint8 images [height, width, channels] of one size, but v float32 (3,)',
        'tfds:lonely': 'tfds:lonely has the splits train: a training and a test split are needed',
    }
    for name, message in expected.items():
        assert message in refusal(name, tmp_path)
    record = folder / 'aejax_idx-train.array_record-00000-of-00001'
    record.write_bytes(record.read_bytes()[:1000])
    assert f'the prepared data in {folder} are damaged' in refusal('tfds:aejax_idx/kmnist', tmp_path)
    info = json.loads((folder / 'dataset_info.json').read_text())
    (folder / 'dataset_info.json').write_text(json.dumps({**info, 'fileFormat': 'tfrecord'}))
    assert 'is prepared as tfrecord, which cannot be read without TensorFlow' in refusal('tfds:aejax_idx/kmnist', tmp_path)


def refusal(name, data_dir):
    with pytest.raises(UserError) as caught:
        data.load(name, data_dir=data_dir)
    assert '\n' not in str(caught.value)
    return str(caught.value)
