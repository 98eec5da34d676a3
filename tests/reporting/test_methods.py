"""The methods text."""

import importlib

import pytest

from brainage.core.choices import choices
from brainage.reporting import words
from brainage.reporting.section import Software
from brainage.reporting.sections import methods


def test_software_is_named_with_versions(settings):
    text = methods.paragraphs(settings, Software([("torch", "2.13.0"), ("numpy", "2.1")]))[-1]
    assert text == "Software: torch 2.13.0 and numpy 2.1."


def test_every_loss_and_encoder_is_described(settings, monkeypatch):
    package = importlib.import_module("brainage.learning.losses")
    if not hasattr(package, "__path__"):
        pytest.skip("the losses are not one module each yet")
    monkeypatch.setattr(words, "choices", choices)
    losses = choices("brainage.learning.losses")
    settings["experiments"] = {name.replace("_", ""): {"loss": name} for name in losses}
    text = " ".join(methods.paragraphs(settings, Software()))
    for name, loss in losses.items():
        assert f"{name.replace('_', '')}: {loss.sentence} on" in text
