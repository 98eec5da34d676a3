import pytest
import torch

from brainage.core import choices
from brainage.core.files import InputError
from brainage.learning.encoders._layers import FirstConv
from brainage.learning.heads import AgeHead
from brainage.learning.model import ENCODERS, build_encoder

# Those of MONAI, which takes seconds to import.
SLOW = {"resnet18", "densenet121"}
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
    for name in choices.names(ENCODERS)
]


@pytest.mark.parametrize(
    ("name", "millions", "feature_size"),
    [
        pytest.param("resnet18", 33.16, 512, marks=pytest.mark.slow),
        pytest.param("densenet121", 11.24, 1024, marks=pytest.mark.slow),
        ("alexnet3d", 2.55, 128),
    ],
)
def test_published_sizes(name, millions, feature_size):
    encoder = build_encoder(name)
    assert round(sum(p.numel() for p in encoder.parameters()) / 1e6, 2) == millions
    assert encoder.feature_size == feature_size


@pytest.mark.parametrize("name", NAMES)
def test_features_of_a_scaled_down_encoder(name):
    encoder = build_encoder(name, width=0.25).eval()
    features = encoder(torch.rand(2, 1, 38, 47, 40))
    assert features.shape == (2, encoder.feature_size)
    assert not torch.allclose(features[0], features[1])
    wide = sum(p.numel() for p in build_encoder(name).parameters())
    assert sum(p.numel() for p in encoder.parameters()) < 0.2 * wide


def test_unknown_name_and_width():
    with pytest.raises(InputError, match=r"resnet19.*resnet18"):
        build_encoder("resnet19")
    with pytest.raises(InputError, match="width"):
        build_encoder("small", 0)


def test_age_head_begins_at_the_mean_age():
    head = AgeHead(8, [20.0, 40.0, 60.0])
    assert head(torch.zeros(2, 8)).tolist() == [40.0, 40.0]
    assert AgeHead(8, [30.0, 30.0])(torch.rand(1, 8)).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_a_second_channel_is_seen(name):
    encoder = build_encoder(name, width=0.25, channels=2).eval()
    one, other = torch.rand(2, 1, 2, 38, 47, 40)
    other[:, 0] = one[:, 0]
    assert not torch.allclose(encoder(one), encoder(other))


def on_a_gpu(network, monkeypatch):
    """Let the layer that has a way of its own on a GPU take it here."""
    monkeypatch.setattr(FirstConv, "forward", FirstConv.in_blocks)
    return network.to(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_layer_for_gpus_computes_the_same(name, channels, monkeypatch):
    torch.manual_seed(1)
    network = build_encoder(name, width=0.25, channels=channels).double().eval()
    volumes = torch.rand(2, channels, 38, 47, 41, dtype=torch.float64)
    results = []
    for prepare in (lambda network, _: network, on_a_gpu):
        network.zero_grad()
        features = prepare(network, monkeypatch)(volumes)
        features.square().sum().backward()
        results.append([features.detach(), *(p.grad.clone() for p in network.parameters())])
    for plain, own in zip(*results, strict=True):
        assert torch.allclose(plain, own, rtol=1e-9, atol=1e-12 * float(plain.abs().max()))


@pytest.mark.parametrize("kernel, margin", [(7, 3), (5, 2), (5, 0), (3, 1)])
@pytest.mark.parametrize("shape", [(12, 13, 15), (7, 8, 9)])
def test_the_first_convolution_in_blocks(kernel, margin, shape):
    layer = torch.nn.Conv3d(1, 3, kernel, 2, margin).double()
    layer.__class__ = FirstConv
    volumes = torch.rand(2, 1, *shape, dtype=torch.float64)
    assert torch.allclose(layer.in_blocks(volumes), layer(volumes), rtol=0, atol=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_computes_what_a_processor_does(name):
    torch.backends.cudnn.allow_tf32 = False
    network = build_encoder(name, width=0.25).eval()
    volumes = torch.rand(2, 1, 38, 47, 40)
    here = network(volumes)
    network.to("cuda", memory_format=torch.channels_last_3d)
    there = network(volumes.cuda().contiguous(memory_format=torch.channels_last_3d)).cpu()
    assert torch.allclose(here, there, rtol=1e-3, atol=1e-4 * float(here.abs().max()))
