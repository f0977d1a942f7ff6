"""Block ``video``: exactly F frames of any file, covers, corrupt files (mmra.md section 2)."""

import av
import numpy as np
import polars as pl
import pytest
from PIL import Image

from popcast.features.common import descriptors
from popcast.features.common.contract import Context
from popcast.features.video import Block, Params
from popcast.features.video.block import frame_numbers, read_frames
from tests.features.test_image import picture, posts_of, save_encoder


def write_video(path, levels: list[int], rate: int = 10) -> None:
    """One grey frame 64 x 48 per level."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in levels:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    write_video(folder / "long.mp4", list(range(0, 250, 10)))
    write_video(folder / "short.mp4", [40, 120, 200])
    write_video(folder / "still.mp4", [100] * 12)
    whole = (folder / "long.mp4").read_bytes()
    (folder / "corrupt.mp4").write_bytes(whole[: len(whole) // 3])
    (folder / "text.mp4").write_bytes(b"<html>not found</html>")
    Image.fromarray(picture(3)).save(folder / "cover.jpg")
    return folder


def block_of(raw, **params) -> Block:
    return Block(Params(**params), Context("generated", seed=1, raw=raw))


def test_frame_numbers_follow_the_sheet():
    assert frame_numbers(25, 10) == [int(x) for x in np.linspace(0, 24, 10)]
    assert frame_numbers(3, 10) == [0, 0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert frame_numbers(7, 1) == [0]


@pytest.mark.parametrize("count", [1, 4, 10])
def test_exactly_the_frames_of_the_sheet(raw, count):
    chosen, following, facts = read_frames(raw / "long.mp4", count)
    levels = [frame.mean() for frame in chosen]
    np.testing.assert_allclose(levels, [10 * i for i in frame_numbers(25, count)], atol=4)
    np.testing.assert_allclose(
        [f.mean() for f in following], [10 * min(i + 1, 24) for i in frame_numbers(25, count)], atol=4
    )
    assert facts == {"width": 64, "height": 48, "fps": 10, "frames": 25, "duration": 2.5}


def test_short_videos_are_padded(raw):
    chosen, _, facts = read_frames(raw / "short.mp4", 10)
    assert facts["frames"] == 3
    assert len(chosen) == 10
    np.testing.assert_allclose(chosen[-1].mean(), 200, atol=4)


def test_fewer_frames_than_the_file_promises(tmp_path):
    """Packets that do not decode at the end: the frames are spread over those that do, the last good one included."""
    with av.open(str(tmp_path / "tail.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        packets = []
        for level in range(0, 200, 20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
            packets += stream.encode(frame.reformat(format="yuvj420p"))
        for i, packet in enumerate(packets + stream.encode()):
            if i >= 5:
                empty = av.Packet(b"\0" * 40)
                empty.stream, empty.pts, empty.dts, empty.time_base = stream, packet.pts, packet.dts, packet.time_base
                packet = empty
            container.mux(packet)
    chosen, _, facts = read_frames(tmp_path / "tail.avi", 3)
    assert facts["frames"] == 5
    np.testing.assert_allclose([frame.mean() for frame in chosen], [0, 40, 80], atol=4)


def test_table(raw, tmp_path):
    media = [["long.mp4"], ["still.mp4", "cover.jpg"], ["cover.jpg"], ["corrupt.mp4"], ["text.mp4"], ["no.mp4"], None]
    posts = posts_of(media)
    block = block_of(raw).fit(posts)
    table = block.transform(posts)
    assert table["video.has_video"].to_list() == [1, 1, 0, 0, 0, 0, 0]
    assert table["video.has_frames"].to_list() == [1, 1, 1, 0, 0, 0, 0]
    assert block.quality == {"with_media": 6, "missing_file": 1, "absurd_size": 0, "undecodable": 2}
    assert table["video.embedding"].is_null().to_list() == [False] * 3 + [True] * 4
    assert table["video.brightness_mean"].is_null().to_list() == [False] * 3 + [True] * 4
    assert table["video.duration"].to_list()[:3] == [2.5, pytest.approx(1.2), None]
    long, still, cover = table["video.change"][:3]
    assert long == pytest.approx(np.diff(frame_numbers(25, 10)).mean() * 10 / 255, abs=0.01)
    assert still == pytest.approx(0, abs=0.002)
    assert cover is None
    assert table["video.motion"][0] == pytest.approx(9 / 10 * 10 / 255, abs=0.01)
    assert table["video.width"].to_list()[:3] == [64, 64, 80]
    levels = np.array([10 * i for i in frame_numbers(25, 10)])
    assert table["video.brightness_mean"][0] == pytest.approx(levels.mean() / 255, abs=0.02)
    block.save(tmp_path)
    loaded = Block.load(tmp_path, block.context)
    assert loaded.quality == block.quality
    assert loaded.transform(posts).equals(table)
    assert loaded.transform(posts[1:2]).equals(table[1:2])


def test_cover_alone_equals_the_picture(raw):
    posts = posts_of([["cover.jpg"]])
    row = block_of(raw).fit(posts).transform(posts)
    expected = descriptors.describe(descriptors.read_picture(raw / "cover.jpg")[0])
    got = [row[f"video.{name}"][0] for name in descriptors.NAMES]
    np.testing.assert_allclose(got, expected)


def test_vision_encoder_is_the_mean_over_frames(raw, tmp_path):
    from popcast.features.common.encoders import VisionEncoder

    save_encoder(tmp_path, "vit")
    posts = posts_of([["short.mp4"], ["text.mp4"]])
    block = block_of(raw, frames=3, encoder=str(tmp_path)).fit(posts)
    column = block.transform(posts)["video.encoder_embedding"]
    assert column.dtype == pl.Array(pl.Float32, 16)
    assert column.is_null().to_list() == [False, True]
    frames = VisionEncoder(str(tmp_path)).encode(read_frames(raw / "short.mp4", 3)[0])
    np.testing.assert_allclose(column[0].to_numpy(), frames.mean(axis=0), atol=1e-5)
    assert np.abs(frames[0] - frames[2]).max() > 1e-3


def test_frame_vectors_are_those_of_single_frames(raw, tmp_path):
    """Standardised as their mean is; a short video repeats its last frame, a cover stands for all frames."""
    media = [["long.mp4"], ["short.mp4"], ["cover.jpg"], ["text.mp4"], None]
    posts = posts_of(media)
    block = block_of(raw, frames=5).fit(posts)
    table = block.transform(posts)
    column = table["video.frame_embedding"]
    assert column.dtype == pl.Array(pl.Float32, 5 * descriptors.WIDTH)
    assert column.is_null().to_list() == [False, False, False, True, True]
    frames = column.drop_nulls().to_numpy().reshape(3, 5, descriptors.WIDTH)
    np.testing.assert_allclose(frames.mean(axis=1), table["video.embedding"].drop_nulls().to_numpy(), atol=2e-5)
    expected = [descriptors.appearance(frame) for frame in read_frames(raw / "long.mp4", 5)[0]]
    np.testing.assert_allclose(frames[0], block.standard(np.stack(expected)), atol=1e-4, rtol=1e-5)
    assert frame_numbers(3, 5) == [0, 0, 1, 1, 2]
    np.testing.assert_array_equal(frames[1, 2], frames[1, 3])
    assert np.abs(frames[1, 3] - frames[1, 4]).max() > 0.1
    assert (frames[2] == frames[2, :1]).all()
    block.save(tmp_path)
    assert Block.load(tmp_path, block.context).transform(posts).equals(table)


def test_frame_vectors_of_an_encoder_replace_the_descriptors(raw, tmp_path):
    from popcast.features.common.encoders import VisionEncoder

    save_encoder(tmp_path, "vit")
    posts = posts_of([["short.mp4"], ["cover.jpg"], ["text.mp4"]])
    table = block_of(raw, frames=4, encoder=str(tmp_path)).fit(posts).transform(posts)
    assert table["video.frame_embedding"].dtype == pl.Array(pl.Float32, 4 * 16)
    assert table["video.frame_embedding"].is_null().to_list() == [False, False, True]
    frames = table["video.frame_embedding"].drop_nulls().to_numpy().reshape(2, 4, 16)
    expected = VisionEncoder(str(tmp_path)).encode(read_frames(raw / "short.mp4", 4)[0])
    np.testing.assert_allclose(frames[0], expected, atol=1e-5)
    assert (frames[1] == frames[1, :1]).all()
    means = table["video.encoder_embedding"].drop_nulls().to_numpy()
    np.testing.assert_allclose(frames.mean(axis=1), means, atol=1e-5)


def test_no_post_with_a_frame(raw):
    posts = posts_of([["text.mp4"], None])
    column = block_of(raw, frames=3).fit(posts).transform(posts)["video.frame_embedding"]
    assert column.dtype == pl.Array(pl.Float32, 3 * descriptors.WIDTH)
    assert column.null_count() == 2
