import pytest
import torch

from brainage.files import InputError
from brainage.learning import encoders


@pytest.mark.parametrize(
    ("name", "millions", "feature_size"),
    [("resnet18", 33.16, 512), ("densenet121", 11.24, 1024), ("alexnet3d", 2.55, 128)],
)
def test_published_sizes(name, millions, feature_size):
    encoder = encoders.build(name)
    assert round(sum(p.numel() for p in encoder.parameters()) / 1e6, 2) == millions
    assert encoder.feature_size == feature_size


@pytest.mark.parametrize("name", encoders.NAMES)
def test_features_of_a_scaled_down_encoder(name):
    encoder = encoders.build(name, width=0.25).eval()
    features = encoder(torch.rand(2, 1, 38, 47, 40))
    assert features.shape == (2, encoder.feature_size)
    assert not torch.allclose(features[0], features[1])
    wide = sum(p.numel() for p in encoders.build(name).parameters())
    assert sum(p.numel() for p in encoder.parameters()) < 0.2 * wide


def test_unknown_name_and_width():
    with pytest.raises(InputError, match=r"resnet19.*resnet18"):
        encoders.build("resnet19")
    with pytest.raises(InputError, match="width"):
        encoders.build("small", 0)


def test_age_head_begins_at_the_mean_age():
    head = encoders.AgeHead(8, [20.0, 40.0, 60.0])
    assert head(torch.zeros(2, 8)).tolist() == [40.0, 40.0]
    assert encoders.AgeHead(8, [30.0, 30.0])(torch.rand(1, 8)).isfinite().all()


@pytest.mark.parametrize("name", encoders.NAMES)
def test_a_second_channel_is_seen(name):
    encoder = encoders.build(name, width=0.25, channels=2).eval()
    one, other = torch.rand(2, 1, 2, 38, 47, 40)
    other[:, 0] = one[:, 0]
    assert not torch.allclose(encoder(one), encoder(other))
