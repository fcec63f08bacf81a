"""The left knee's flexion over the gait cycle: for every session of a subject, its mean over the barefoot trials.

Prints minimum and maximum in degrees, and the largest flexion's place in the cycle in percent.
"""

from __future__ import annotations

import sys
from statistics import fmean

import moveshelf

KNEE = "LKneeAngles-x"


def curve(clip: moveshelf.Clip) -> dict[float, float]:
    """Percent of the gait cycle to degrees of flexion, of one trial; a missing value is left out."""
    content = clip.files["angles_normalized.json"].json()
    rows = next(one["values"] for one in content["data"] if one["label"] == KNEE)
    return {row["perc"]: row["mean"] for row in rows if row["mean"] is not None}


def main(name: str = "P-001", project: str = "lab/demo") -> None:
    with moveshelf.connect() as ms:
        subject = ms.projects[project].subjects[name]
        print(f"{'session, degrees':22} {'min':>6} {'max':>6} {'at':>5}")
        for session in subject.sessions:
            trials = [curve(clip) for clip in session.conditions["Barefoot"].clips]
            common = [percent for percent in trials[0] if all(percent in trial for trial in trials)]
            mean = {percent: fmean(trial[percent] for trial in trials) for percent in common}
            peak = max(mean, key=mean.__getitem__)
            print(f"{session.name:22} {min(mean.values()):6.1f} {mean[peak]:6.1f} {peak:4.0f}%")


if __name__ == "__main__":
    main(*sys.argv[1:])
