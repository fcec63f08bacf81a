"""The vocabulary: every source's labels, and sides that are taken off exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.gait import channels
from moveshelf.gait.channels import CHANNELS, GPS_CHANNELS, recognise, side_of, split_unknown

SAME = [
    # Vicon, GCD, GRAIL, OpenSim and this library's own name of one channel
    ("pelvic_tilt", "LPelvisAngles-x", "LeftPelvicTilt", "Rotation PelvicTil", "pelvis_tilt"),
    ("pelvic_obliquity", "LPelvisAngles-y", "LeftPelvicObliquity", "Rotation PelvicObl", "pelvis_list"),
    ("pelvic_rotation", "LPelvisAngles-z", "LeftPelvicRotation", "Rotation PelvicRot", "pelvis_rotation"),
    ("hip_flexion", "LHipAngles-x", "LeftHipFlexExt", "Rotation LHipFlex", "hip_flexion_l"),
    ("hip_adduction", "LHipAngles-y", "LeftHipAbAdduct", "Rotation LHipAbAd", "hip_adduction_l"),
    ("hip_rotation", "LHipAngles-z", "LeftHipRotation", "Rotation LHipRot", "hip_rotation_l"),
    ("knee_flexion", "LKneeAngles-x", "LeftKneeFlexExt", "Rotation LKneeFlex", "knee_angle_l"),
    ("knee_adduction", "LKneeAngles-y", "LeftKneeValgVar", "Rotation LKneeAbAd", "knee_adduction_l"),
    ("knee_rotation", "LKneeAngles-z", "LeftKneeRotation", "Rotation LKneeRot", "knee_rotation_l"),
    ("ankle_dorsiflexion", "LAnkleAngles-x", "LeftDorsiPlanFlex", "Rotation LAnkleFlex", "ankle_angle_l"),
]


@pytest.mark.parametrize("row", SAME, ids=lambda row: row[0])
def test_four_vocabularies_name_one_channel(row: tuple[str, ...]) -> None:
    assert [recognise(label).channel for label in row] == [row[0]] * 5
    for label in row[1:]:
        has_side = "L" in label[:1] or label.endswith("_l") or " L" in label
        assert recognise(label).side == ("left" if has_side else ""), label


@pytest.mark.parametrize(
    ("label", "channel", "side"),
    [
        ("kneeangle-x", "knee_flexion", ""),
        ("kangle-x", "knee_flexion", ""),
        ("rkneeangle-x", "knee_flexion", "right"),
        ("P-001:RKneeAngles-x", "knee_flexion", "right"),
        ("RightFootProgression", "foot_progression", "right"),
        ("RFootProgressAngles-z", "foot_progression", "right"),
        ("DorsiPlanFlex", "ankle_dorsiflexion", ""),
        ("LeftMedHamstringLength", "medial_hamstrings_length", "left"),
        ("RightMedHamstringVelocity", "medial_hamstrings_velocity", "right"),
        ("LPsoaLength", "psoas_length", "left"),
        ("RightKneeFlexExtMoment", "knee_extension_moment", "right"),
        ("LAnkleMoment-x", "ankle_plantarflexion_moment", "left"),
        ("LAnklePower-z", "ankle_power", "left"),
        ("RightHipPower", "hip_power", "right"),
        ("Moment RKneeFlex", "knee_extension_moment", "right"),
        ("Rotation LHipFlex base", "hip_flexion", "left"),
        ("Rotation RHipFlex comf", "hip_flexion", "right"),
        ("/jointset/hip_r/hip_flexion_r/value", "hip_flexion", "right"),
        ("knee_flexion", "knee_flexion", ""),
        ("left knee flexion", "knee_flexion", "left"),
    ],
)
def test_a_label_says_its_channel_and_side(label: str, channel: str, side: str) -> None:
    found = recognise(label)
    assert (found.channel, found.side, found.known) == (channel, side, True)


@pytest.mark.parametrize(
    "label",
    [
        "Rotation",
        "LumbarFlex",
        "LengthX",
        "RMS",
        "Left",
        "L",
        "Rhythm",
        "knee_angle_r_beta",
        "LShoulderAngles-x",
        "",
    ],
)
def test_an_unknown_label_stays_whole(label: str) -> None:
    found = recognise(label)
    assert (found.channel, found.side, found.known) == (label, "", False)


def test_no_name_is_another_name_with_a_side() -> None:
    names = set(channels._PLAIN)
    assert not [
        (side, name) for side in ("l", "r", "left", "right") for name in names if side + name in names
    ]


def test_every_channel_is_found_by_its_own_name_on_each_side() -> None:
    for name in CHANNELS:
        assert recognise(name).channel == name
        for side, word in (("left", "Left "), ("right", "Right ")):
            assert (recognise(word + name).channel, recognise(word + name).side) == (name, side)


def test_every_channel_says_its_directions() -> None:
    assert all(channel.positive and channel.negative for channel in CHANNELS.values())
    assert {channel.unit for channel in CHANNELS.values() if channel.kind == "angle"} == {"deg"}
    assert all(name in CHANNELS for name in GPS_CHANNELS)


@pytest.mark.parametrize(
    ("label", "unsure"),
    [
        ("LKneeAngles-x", False),
        ("LeftKneeRotation", False),
        ("hip_flexion_r", False),
        ("ankle_angle_r", False),
        ("knee_angle_r", True),
        ("pelvis_tilt", True),
        ("Rotation LHipAbAd", True),
    ],
)
def test_signs_that_depend_on_the_source_are_marked(label: str, unsure: bool) -> None:
    assert recognise(label).sign_unsure is unsure


@pytest.mark.parametrize(
    ("label", "context", "others", "expected"),
    [
        ("LeftToeAngle", "", [], ("ToeAngle", "left")),
        ("Leftover", "", [], ("Leftover", "")),
        ("LToeAngle", "", [], ("LToeAngle", "")),
        ("LToeAngle", "", ["RToeAngle"], ("ToeAngle", "left")),
        ("LToeAngle", "left", [], ("ToeAngle", "left")),
        ("LToeAngle", "right", [], ("LToeAngle", "right")),
        ("LumbarFlex", "left", ["RumbarFlex"], ("LumbarFlex", "left")),
        ("RMSError", "right", [], ("RMSError", "right")),
        ("toe_r", "", [], ("toe_r", "")),
        ("toe_r", "", ["toe_l"], ("toe", "right")),
        ("Rotation", "right", [], ("Rotation", "right")),
    ],
)
def test_an_unknown_label_loses_its_side_on_evidence_only(
    label: str, context: str, others: list[str], expected: tuple[str, str]
) -> None:
    assert split_unknown(label, context, [label, *others]) == expected


@pytest.mark.parametrize(
    ("context", "side"),
    [
        ("Left", "left"),
        ("right", "right"),
        (" L ", "left"),
        ("General", ""),
        ("", ""),
        (None, ""),
        (3, None),
        (["Left"], None),
    ],
)
def test_a_context_says_a_side(context: object, side: str | None) -> None:
    assert side_of(context) == side


@given(st.text(max_size=30), st.sampled_from(["", "left", "right"]))
def test_any_text_is_a_label(text: str, context: str) -> None:
    found = recognise(text)
    assert found.known == (found.channel in CHANNELS and found.vocabulary != "")
    name, side = split_unknown(text, context, [text])
    assert side in ("", "left", "right")
    assert name in text
