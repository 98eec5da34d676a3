"""What of a header's free text is safe to write: words of scanners and codes of the standard.

Manufacturer, model, software and options are free text, into which some sites write a person's
name. So nothing is written but what stands in these lists.
"""

from __future__ import annotations

import re
from typing import Any

# Words in the names of manufacturers and models, in small letters.
_SCANNERS = """
siemens healthineers magnetom trio tim triotim verio skyra prisma fit vida lumina avanto aera
espree symphony symphonytim sonata allegra biograph mmr terra sola altea amira essenza spectra
sempra harmony concerto vision impact expert cima flow connectom free max investigational
device
ge medical systems healthcare signa genesis excite hd hdx hdxt hde discovery optima brivo
premier architect pioneer artist voyager explorer creator victor hero uhp pet mr mri mr355 mr360
mr430 mr450 mr450w mr750 mr750w mr950
philips achieva dstream ingenia cx elition ambition omega hp x s intera gyroscan nt acs panorama
hfo ingenuity tf evolution
canon toshiba vantage titan galan orian elan atlas excelart mrt200 mec
hitachi fujifilm echelon oval oasis airis aperto lucent trillium elite ii smart velocity synergy
uih united imaging umr upmr jupiter 510 560 570 588 660 670 680 770 780 790 870 880 890
bruker biospec pharmascan marconi picker eclipse mediso neusoft neuspectra alltech esaote
paramed hyperfine swoop synaptive evry 5300 7500 7600 7700
"""
_KNOWN = frozenset(_SCANNERS.split())
_STRENGTH = re.compile(r"[0-9](\.[0-9]{1,2})?T")
_SEQUENCES = r"SE|IR|GR|EP|RM"
_VARIANTS = r"SK|MTC|SS|TRSS|SP|MP|OSP|TOF|NONE"
_OPTIONS = (
    r"PER|RG|CG|PPG|FC|PFF|PFP|SP|FS|MT|WE|CT|SAT[12]?|IR|TOF|NONE"
    r"|(FAST|EDR|ACC|FILTERED|SAT|NPW|VASCTOF|HYPERBAND|IRF?)_GEMS"
)
# The values of a field of a sidecar; several are joined by _ or \.
_CODES = {
    "Modality": r"MR",
    "PatientPosition": r"(HF|FF)(S|P|DR|DL)|(LF|RF|AF|PF)(DR|DL|S|P)?",
    "MRAcquisitionType": r"[123]D",
    "ScanningSequence": rf"({_SEQUENCES})([_\\]({_SEQUENCES}))*",
    "SequenceVariant": rf"({_VARIANTS})([_\\]({_VARIANTS}))*",
    "ScanOptions": rf"({_OPTIONS})([_\\]({_OPTIONS}))*",
    "PhaseEncodingAxis": r"[ijk]-?",
    "InPlanePhaseEncodingDirectionDICOM": r"ROW|COL|OTHER",
    "ConversionSoftware": r"dcm2niix",
    "ConversionSoftwareVersion": r"v?[0-9]+(\.[0-9]+)*",
}
_NAMES = ("Manufacturer", "ManufacturersModelName")


def known_scanner(text: str) -> str:
    """Return the words of a manufacturer's or model's name that are known, "" where none is."""
    return " ".join(word for word in text.split() if _is_known(word))


def _is_known(word: str) -> bool:
    parts = [part for part in re.split(r"[_/.-]+", word.lower()) if part]
    return bool(_STRENGTH.fullmatch(word)) or (bool(parts) and _KNOWN.issuperset(parts))


def safe_words(sidecar: dict[str, Any]) -> dict[str, str]:
    """Return what is safe of the words of a sidecar; a field with anything else is left out."""
    text = {name: value for name, value in sidecar.items() if isinstance(value, str)}
    codes = {
        name: text[name]
        for name, pattern in _CODES.items()
        if re.fullmatch(pattern, text.get(name, ""), flags=re.ASCII)
    }
    names = {name: known_scanner(text.get(name, "")) for name in _NAMES}
    return codes | {name: known for name, known in names.items() if known}
