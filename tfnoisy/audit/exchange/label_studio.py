"""Label Studio: tasks with the audit's suggestion, and annotations back.

Its documented formats: "Import pre-annotated data" (a task has `data` and
`predictions`), labelling configurations, and the JSON export (a task has
`annotations`).
"""

from xml.sax import saxutils

from tfnoisy import errors
from tfnoisy.datasets import corrections

# The names in the labelling configuration that results refer to.
_CHOICE, _IMAGE = "label", "image"
# Choices beside the classes.
REMOVE, UNDECIDED = "(remove this image)", "(undecided)"
DEFAULT_PREFIX = "/data/local-files/?d="


def config(class_names):
    """Returns the labelling configuration, XML.

    Args:
        class_names: the classes; none may be called as `REMOVE` or
            `UNDECIDED`.
    """
    choices = "".join(
        f"    <Choice value={saxutils.quoteattr(name)}/>\n"
        for name in (*class_names, REMOVE, UNDECIDED)
    )
    return (
        "<View>\n"
        f'  <Image name="{_IMAGE}" value="$image"/>\n'
        '  <Header value="given: $given_label"/>\n'
        f'  <Choices name="{_CHOICE}" toName="{_IMAGE}" choice="single-radio" '
        'showInLine="true">\n'
        f"{choices}"
        "  </Choices>\n"
        "</View>\n"
    )


def tasks(judged, prefix=DEFAULT_PREFIX):
    """Returns a task for each image, to be dumped as JSON.

    Args:
        judged: a list of `judged.Judged`.
        prefix: of the address under which Label Studio finds an image; its
            key follows.
    """
    return [
        {
            "data": {
                "image": prefix + one.key,
                "key": one.key,
                "sha256": one.sha256(),
                "given_label": one.given_label,
            },
            "predictions": [
                {
                    "model_version": "tfnoisy",
                    "score": round(1 - one.score, 6),
                    "result": [
                        {
                            "from_name": _CHOICE,
                            "to_name": _IMAGE,
                            "type": "choices",
                            "value": {"choices": [one.suggested_label]},
                        }
                    ],
                }
            ],
        }
        for one in judged
    ]


def decisions(exported):
    """Returns what people decided, a list of `corrections.Correction`.

    Of several annotations of a task the last one counts, cancelled ones do
    not.  Tasks without any are left out.

    Args:
        exported: the JSON export, a list of tasks.

    Raises:
        UserError: if it is something else.
    """
    if not isinstance(exported, list):
        raise errors.UserError(
            "no list of tasks: export from Label Studio as JSON"
        )
    found = []
    for number, task in enumerate(exported, 1):
        try:
            data = task["data"]
            key, given = str(data["key"]), str(data["given_label"])
            sha256 = str(data.get("sha256") or "")
            chosen = [
                result["value"]["choices"][0]
                for annotation in task.get("annotations") or []
                if not annotation.get("was_cancelled")
                for result in annotation["result"]
                if result.get("from_name") == _CHOICE
            ]
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise errors.UserError(
                f"task {number} is none that tfnoisy made: no "
                f"{str(error).strip(chr(39)) or 'choice'} in it"
            ) from error
        if chosen:
            found.append(_decision(key, given, str(chosen[-1]), sha256))
    return found


def _decision(key, given, chosen, sha256):
    action, corrected = corrections.RELABEL, chosen
    if chosen == REMOVE:
        action, corrected = corrections.REMOVE, ""
    elif chosen == UNDECIDED:
        action, corrected = corrections.UNDECIDED, ""
    elif chosen == given:
        action, corrected = corrections.KEEP, ""
    return corrections.Correction(
        key, given, corrected, action, sha256, "Label Studio"
    )
