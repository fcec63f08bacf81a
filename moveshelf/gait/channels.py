"""One vocabulary of channels for the labels of all sources, with sides taken off exactly.

The files that the service derives carry the labels of the software that made them. `recognise()` gives each label its
channel of `CHANNELS` and its side. Nothing is guessed: a label counts as "side + known name" only if what is left after the
side is a name of the table, so `Rotation`, `LumbarFlex` or `LengthX` never lose a letter.

**Signs.** A channel's name says its positive direction: `knee_flexion` is positive in flexion, `hip_adduction` in adduction,
`hip_extension_moment` where the extensors act. `Channel.positive` and `Channel.negative` say it in words. This is the
convention of Plug-in Gait and of GCD files (see Sources). **Reading never changes a sign or a scale.** OpenSim's and GRAIL's
conventions differ from it for some channels, or depend on the model in use; `Recognised.sign_unsure` marks them, and the
reader says so in `.attrs["problems"]`.

Sources
-------
- Vicon: "Lower body angles as output from Plug-in Gait", Vicon Nexus documentation (positive rotations of LPelvisAngles,
  LHipAngles, LKneeAngles, LAnkleAngles, LFootProgressAngles and of the right side); muscle lengths are named as in Vicon's
  MuscleLength.mod.
- GCD: the variable names of Vicon Polygon's GCD files (`KneeFlexExt`, `DorsiPlanFlex`, `MedHamstringLength`, …); each is one
  axis of a Plug-in Gait output.
- GRAIL: the channel names of Motek's Human Body Model as its software exports them (`Rotation LHipFlex`, `Moment LHipFlex`,
  `Power LHipFlex`), with `base` or `comf` behind the name in older derived files.
- OpenSim: the coordinates of the models gait2354, gait2392 and Rajagopal 2016 (`hip_flexion_r`, `knee_angle_r`,
  `ankle_angle_r`, `pelvis_tilt`). `knee_angle` is positive in extension in the first two and in flexion in the third.
- Directions of moments and powers: M. H. Schwartz, A. Rozumalski, J. P. Trost, Journal of Biomechanics 41 (2008) 1639-1650,
  supplement ("Hip Ext/Flexion", "Hip Ab/Adduction", "Knee Ext/Flexion", the first word positive; internal moments).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

import attrs

LEFT = "left"
RIGHT = "right"
NO_SIDE = ""


@attrs.frozen
class Channel:
    """One quantity of one joint or segment.

    `unit` is the unit where every known source agrees on it (degrees), else "": moments are in N.m/kg or N.mm/kg, lengths in
    millimetres or normalised, and only the file can tell.
    """

    name: str
    kind: str  # "angle", "moment", "power", "length", "velocity", "force"
    part: str  # "pelvis", "hip", "knee", "ankle", "foot", "trunk", or the muscle
    plane: str  # "sagittal", "coronal", "transverse", or ""
    positive: str
    negative: str
    unit: str = ""


@attrs.frozen
class Recognised:
    """What a label says: `channel` is a name of `CHANNELS`, or the label itself (side taken off) where `known` is False."""

    channel: str
    side: str  # "left", "right" or ""
    known: bool
    vocabulary: str = ""  # "vicon", "gcd", "grail", "opensim", "moveshelf"
    variant: str = ""  # GRAIL's "base" or "comf"
    sign_unsure: bool = False


def _angle(name: str, part: str, plane: str, positive: str, negative: str) -> Channel:
    return Channel(name, "angle", part, plane, positive, negative, "deg")


def _moment(name: str, part: str, plane: str, positive: str, negative: str) -> Channel:
    return Channel(name, "moment", part, plane, positive, negative)


# channel, then its names in the Vicon, GCD and OpenSim vocabularies (side off; "|" between several), and in GRAIL's
_Row = tuple[Channel, str, str, str, str]
_TABLE: tuple[_Row, ...] = (
    (_angle("trunk_tilt", "trunk", "sagittal", "anterior", "posterior"),
     "thoraxangle-x|trunkangle-x", "TrunkFlexExt|TrunkTilt", "", "Rotation TrunkFlex"),
    (_angle("trunk_obliquity", "trunk", "coronal", "up", "down"),
     "thoraxangle-y|trunkangle-y", "TrunkLateralBend|TrunkObliquity", "", "Rotation TrunkTilt"),
    (_angle("trunk_rotation", "trunk", "transverse", "internal", "external"),
     "thoraxangle-z|trunkangle-z", "TrunkRotation", "", "Rotation TrunkRot"),
    (_angle("pelvic_tilt", "pelvis", "sagittal", "anterior", "posterior"),
     "pelvisangle-x", "PelvicTilt", "pelvis_tilt", "Rotation PelvicTil"),
    (_angle("pelvic_obliquity", "pelvis", "coronal", "up", "down"),
     "pelvisangle-y", "PelvicObliquity", "pelvis_list", "Rotation PelvicObl"),
    (_angle("pelvic_rotation", "pelvis", "transverse", "internal", "external"),
     "pelvisangle-z", "PelvicRotation", "pelvis_rotation", "Rotation PelvicRot"),
    (_angle("hip_flexion", "hip", "sagittal", "flexion", "extension"),
     "hipangle-x", "HipFlexExt", "", "Rotation HipFlex"),
    (_angle("hip_adduction", "hip", "coronal", "adduction", "abduction"),
     "hipangle-y", "HipAbAdduct", "", "Rotation HipAbAd"),
    (_angle("hip_rotation", "hip", "transverse", "internal", "external"),
     "hipangle-z", "HipRotation", "", "Rotation HipRot"),
    (_angle("knee_flexion", "knee", "sagittal", "flexion", "extension"),
     "kneeangle-x|kangle-x", "KneeFlexExt", "knee_angle", "Rotation KneeFlex"),
    (_angle("knee_adduction", "knee", "coronal", "adduction (varus)", "abduction (valgus)"),
     "kneeangle-y|kangle-y", "KneeValgVar", "", "Rotation KneeAbAd"),
    (_angle("knee_rotation", "knee", "transverse", "internal", "external"),
     "kneeangle-z|kangle-z", "KneeRotation", "", "Rotation KneeRot"),
    (_angle("ankle_dorsiflexion", "ankle", "sagittal", "dorsiflexion", "plantarflexion"),
     "ankleangle-x", "DorsiPlanFlex", "ankle_angle", "Rotation AnkleFlex"),
    (_angle("ankle_adduction", "ankle", "coronal", "adduction (inversion)", "abduction (eversion)"),
     "ankleangle-y", "", "", "Rotation AnkleAbAd"),
    (_angle("ankle_rotation", "ankle", "transverse", "internal", "external"),
     "ankleangle-z", "FootRotation", "", "Rotation AnkleRot"),
    (_angle("ankle_supination", "ankle", "coronal", "supination (inversion)", "pronation (eversion)"),
     "", "", "subtalar_angle", "Rotation AnklePron"),
    (_angle("foot_inclination", "foot", "sagittal", "toes up", "toes down"),
     "", "FootInclination", "", ""),
    (_angle("foot_progression", "foot", "transverse", "internal", "external"),
     "footprogressangle-z|footprogressionangle-z", "FootProgression", "", ""),
    (_moment("hip_extension_moment", "hip", "sagittal", "extension", "flexion"),
     "hipmoment-x", "HipFlexExtMoment", "", "Moment HipFlex"),
    (_moment("hip_abduction_moment", "hip", "coronal", "abduction", "adduction"),
     "hipmoment-y", "HipAbAdductMoment", "", "Moment HipAbAd"),
    (_moment("hip_rotation_moment", "hip", "transverse", "external", "internal"),
     "hipmoment-z", "HipRotationMoment", "", "Moment HipRot"),
    (_moment("knee_extension_moment", "knee", "sagittal", "extension", "flexion"),
     "kneemoment-x", "KneeFlexExtMoment", "", "Moment KneeFlex"),
    (_moment("knee_abduction_moment", "knee", "coronal", "abduction (valgus)", "adduction (varus)"),
     "kneemoment-y", "KneeValgVarMoment", "", "Moment KneeAbAd"),
    (_moment("knee_rotation_moment", "knee", "transverse", "external", "internal"),
     "kneemoment-z", "KneeRotationMoment", "", "Moment KneeRot"),
    (_moment("ankle_plantarflexion_moment", "ankle", "sagittal", "plantarflexion", "dorsiflexion"),
     "anklemoment-x", "DorsiPlanFlexMoment", "", "Moment AnkleFlex"),
    (_moment("ankle_abduction_moment", "ankle", "coronal", "abduction (eversion)", "adduction (inversion)"),
     "anklemoment-y", "FootAbAdductMoment", "", "Moment AnkleAbAd"),
    (_moment("ankle_rotation_moment", "ankle", "transverse", "external", "internal"),
     "anklemoment-z", "FootRotationMoment", "", "Moment AnkleRot"),
    (Channel("hip_power", "power", "hip", "", "generated", "absorbed"), "hippower-z|hippower", "HipPower", "", ""),
    (Channel("knee_power", "power", "knee", "", "generated", "absorbed"), "kneepower-z|kneepower", "KneePower", "", ""),
    (Channel("ankle_power", "power", "ankle", "", "generated", "absorbed"),
     "anklepower-z|anklepower", "AnklePower", "", ""),
    (Channel("hip_power_sagittal", "power", "hip", "sagittal", "generated", "absorbed"),
     "", "", "", "Power HipFlex"),
    (Channel("hip_power_coronal", "power", "hip", "coronal", "generated", "absorbed"),
     "", "HipPowerCoronal", "", "Power HipAbAd"),
    (Channel("knee_power_sagittal", "power", "knee", "sagittal", "generated", "absorbed"),
     "", "", "", "Power KneeFlex"),
    (Channel("knee_power_coronal", "power", "knee", "coronal", "generated", "absorbed"),
     "", "KneePowerCoronal", "", "Power KneeAbAd"),
    (Channel("ankle_power_sagittal", "power", "ankle", "sagittal", "generated", "absorbed"),
     "", "", "", "Power AnkleFlex"),
    (Channel("ankle_power_coronal", "power", "ankle", "coronal", "generated", "absorbed"),
     "", "AnklePowerCoronal", "", "Power AnkleAbAd"),
    (Channel("ground_reaction_force_x", "force", "foot", "", "along the axis x", "against the axis x"),
     "normalisedgrf-x|normalizedgrf-x|groundreactionforce-x|grf-x", "", "", ""),
    (Channel("ground_reaction_force_y", "force", "foot", "", "along the axis y", "against the axis y"),
     "normalisedgrf-y|normalizedgrf-y|groundreactionforce-y|grf-y", "", "", ""),
    (Channel("ground_reaction_force_z", "force", "foot", "", "up", "down"),
     "normalisedgrf-z|normalizedgrf-z|groundreactionforce-z|grf-z", "", "", ""),
)  # fmt: skip

# muscle, then its name in MuscleLength.mod and in GCD files, in front of "Length" and "Velocity"
_MUSCLES: tuple[tuple[str, str, str], ...] = (
    ("psoas", "Psoa", "IlioPsoas|Psoas"),
    ("rectus_femoris", "ReFe", "RectFem|RectusFemoris"),
    ("medial_hamstrings", "", "MedHamstring|MedialHamstring"),
    ("lateral_hamstrings", "", "LatHamstring|LateralHamstring"),
    ("semimembranosus", "SeMe", "Semimembranosus"),
    ("semitendinosus", "SeTe", "Semitendinosus"),
    ("biceps_femoris_long_head", "BiFL", "BicepsFemorisLong"),
    ("biceps_femoris_short_head", "BiFS", "BicepsFemorisShort"),
    ("gracilis", "Grac", "Gracilis"),
    ("gastrocnemius", "", "Gastroc|Gastrocnemius"),
    ("medial_gastrocnemius", "MeGa", "MedGastroc"),
    ("lateral_gastrocnemius", "LaGa", "LatGastroc"),
    ("soleus", "Sole", "Soleus"),
    ("tibialis_anterior", "TiAn", "TibAnt"),
)

# the channel of an OpenSim name of its own whose positive direction is the table's in all three models named above; the
# coordinates of the hip (`hip_flexion`, `hip_adduction`, `hip_rotation`) have the table's names and its directions
_OPENSIM_SURE = frozenset({"ankle_dorsiflexion"})

_SEPARATORS = re.compile(r"[\s._-]+")


def _key(label: str) -> str:
    """A label without case and separators, and with Vicon's plural "Angles" as "angle"."""
    key = _SEPARATORS.sub("", label).casefold()
    return _PLURAL.sub(r"\1\2", key)


_PLURAL = re.compile(r"(angle|moment|power)s([xyz]?)$")


def _muscle_rows() -> Iterator[_Row]:
    for kind, positive, negative in (("length", "long", "short"), ("velocity", "lengthening", "shortening")):
        for muscle, vicon, gcd in _MUSCLES:
            one = Channel(f"{muscle}_{kind}", kind, muscle.replace("_", " "), "", positive, negative)
            names = "|".join(f"{name}{kind}" for name in gcd.split("|"))
            yield one, f"{vicon}{kind}" if vicon else "", names, "", ""


_ROWS = (*_TABLE, *_muscle_rows())

CHANNELS: dict[str, Channel] = {row[0].name: row[0] for row in _ROWS}
"""Every channel by name, in the order in which people show them: from the trunk down, sagittal plane first."""

GPS_CHANNELS: tuple[str, ...] = (
    "pelvic_tilt",
    "pelvic_obliquity",
    "pelvic_rotation",
    "hip_flexion",
    "hip_adduction",
    "hip_rotation",
    "knee_flexion",
    "ankle_dorsiflexion",
    "foot_progression",
)
"""The nine kinematic variables of the Gait Profile Score, the Movement Analysis Profile and the Gait Deviation Index."""


def _lookup() -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    plain: dict[str, tuple[str, str]] = {}
    grail: dict[str, str] = {}
    for channel, vicon, gcd, opensim, motek in _ROWS:
        by_vocabulary = (("moveshelf", channel.name), ("gcd", gcd), ("vicon", vicon), ("opensim", opensim))
        for vocabulary, names in by_vocabulary:
            for name in filter(None, names.split("|")):
                taken = plain.setdefault(_key(name), (channel.name, vocabulary))
                if taken[0] != channel.name:
                    raise ValueError(f"the label {name} stands for {taken[0]} and for {channel.name}")
        if motek:
            grail[motek.casefold()] = channel.name
    return plain, grail


_PLAIN, _GRAIL = _lookup()
_PREFIXES = (("left", LEFT), ("right", RIGHT), ("l", LEFT), ("r", RIGHT))
_SUFFIX = re.compile(r"^(?P<rest>.+)[\s._-](?P<side>l|r|left|right)$", re.I)
_SIDES = {"l": LEFT, "left": LEFT, "r": RIGHT, "right": RIGHT}
_GRAIL_LABEL = re.compile(
    r"^(?P<kind>rotation|moment|power)\s+(?P<side>[lr])?(?P<name>[a-z]+?)(?:\s+(?P<variant>base|comf))?$",
    re.I,
)
_OPENSIM_PATH = re.compile(r"^/jointset/[^/]+/(?P<name>[^/]+)/value$")
_WORD_SIDE = re.compile(r"^(?P<side>Left|Right)(?=[A-Z0-9\s._-])[\s._-]*(?P<rest>.+)$")
_LETTER_SIDE = re.compile(r"^(?P<side>[LR])(?:(?P<rest>[A-Z][a-z].*)|[._-](?P<spaced>.+))$")


def side_of(context: object) -> str | None:
    """The side that a file's `context` names: "left", "right", "" where it names none, None where it is no text."""
    if context is None:
        return NO_SIDE
    if not isinstance(context, str):
        return None
    return _SIDES.get(context.strip().casefold(), NO_SIDE)


@lru_cache(maxsize=8192)
def recognise(label: str) -> Recognised:
    """The channel and the side that a label names by itself.

    >>> recognise("LKneeAngles-x").channel, recognise("LKneeAngles-x").side
    ('knee_flexion', 'left')
    >>> recognise("RightDorsiPlanFlex").channel, recognise("knee_angle_r").side
    ('ankle_dorsiflexion', 'right')
    >>> recognise("LumbarFlex")
    Recognised(channel='LumbarFlex', side='', known=False, vocabulary='', variant='', sign_unsure=False)
    """
    text = label.strip()
    motek = _GRAIL_LABEL.match(text)
    if motek:
        kind, letter, name = motek["kind"].casefold(), motek["side"] or "", motek["name"].casefold()
        variant = (motek["variant"] or "").casefold()
        for side, rest in (
            (_SIDES.get(letter.casefold(), NO_SIDE), name),
            (NO_SIDE, f"{letter}{name}".casefold()),
        ):
            channel = _GRAIL.get(f"{kind} {rest}")
            if channel is not None:
                return Recognised(channel, side, True, "grail", variant, sign_unsure=True)
    path = _OPENSIM_PATH.match(text)
    if path:
        text = path["name"]
    # Vicon writes the subject's name and a colon in front of a label where several subjects are in view
    found = _known(text) or _known(text.rpartition(":")[2].strip())
    return found if found is not None else Recognised(label, NO_SIDE, False)


def _known(text: str) -> Recognised | None:
    key = _key(text)
    if key in _PLAIN:
        return _of_table(key, NO_SIDE)
    for prefix, side in _PREFIXES:
        if key.startswith(prefix) and key[len(prefix) :] in _PLAIN:
            return _of_table(key[len(prefix) :], side)
    behind = _SUFFIX.match(text)
    if behind and _key(behind["rest"]) in _PLAIN:
        return _of_table(_key(behind["rest"]), _SIDES[behind["side"].casefold()])
    return None


def _of_table(key: str, side: str) -> Recognised:
    channel, vocabulary = _PLAIN[key]
    unsure = vocabulary == "opensim" and channel not in _OPENSIM_SURE
    return Recognised(channel, side, True, vocabulary, sign_unsure=unsure)


def split_unknown(label: str, context_side: str, labels: Collection[str]) -> tuple[str, str]:
    """An unknown label's name and side, taken off only on evidence.

    A word (`Left…`, `Right…`) counts where a new word begins after it. A letter (`L…`, `R…`, `…_l`, `…_r`) counts where the
    file's context names the same side, or where the file holds the label of the other side too.

    >>> split_unknown("LeftToeAngle", "", ["LeftToeAngle"])
    ('ToeAngle', 'left')
    >>> split_unknown("LToeAngle", "", ["LToeAngle"]), split_unknown("LToeAngle", "", ["LToeAngle", "RToeAngle"])
    (('LToeAngle', ''), ('ToeAngle', 'left'))
    >>> split_unknown("LumbarFlex", "left", ["LumbarFlex"])
    ('LumbarFlex', 'left')
    """
    word = _WORD_SIDE.match(label)
    if word:
        return word["rest"], _SIDES[word["side"].casefold()]
    letter = _LETTER_SIDE.match(label)
    if letter:
        side = _SIDES[letter["side"].casefold()]
        other = ("R" if side == LEFT else "L") + label[1:]
        if context_side == side or (not context_side and other in labels):
            return letter["rest"] or letter["spaced"], side
    behind = _SUFFIX.match(label)
    if behind:
        side = _SIDES[behind["side"].casefold()]
        swapped = {"l": "r", "r": "l", "left": "right", "right": "left"}[behind["side"].casefold()]
        start = label[: -len(behind["side"])]
        others = {start + swapped, start + swapped.upper(), start + swapped.capitalize()}
        if context_side == side or (not context_side and any(one in labels for one in others)):
            return behind["rest"], side
    return label, context_side
