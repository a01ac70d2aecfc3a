"""Answers as lines of text: a table, JSON lines or CSV.

An image without an answer is left out of the table; in the other formats it
is a line with `error`.
"""

import csv
import io
import json


def table(answers):
    """Yields a table for people: image, class, probability, what came next.

    Args:
        answers: an iterable of `client.Answer`, which is read to its end
            first, for the widths.
    """
    rows = [("image", "class", "probability", "next")]
    for answer in answers:
        if answer.error is None:
            first, *others = answer.top
            rows.append(
                (
                    answer.item.name,
                    first.class_name,
                    f"{first.probability:.4f}",
                    ", ".join(
                        f"{other.class_name} {other.probability:.4f}"
                        for other in others[:2]
                    ),
                )
            )
    widths = [max(map(len, column)) for column in list(zip(*rows))[:-1]]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        yield "  ".join([*cells, row[-1]]).rstrip()


def jsonl(answers):
    """Yields a JSON object for each answer, with all that is known of it."""
    for answer in answers:
        row = {"image": answer.item.name}
        if answer.item.label is not None:
            row["label"] = answer.item.label
        if answer.error is not None:
            row["error"] = answer.error
        else:
            first, *_ = top = [
                {
                    "class_id": ranked.class_id,
                    "class_name": ranked.class_name,
                    "probability": _decimal(ranked.probability),
                }
                for ranked in answer.top
            ]
            probabilities = [_decimal(p) for p in answer.probabilities]
            row |= {**first, "top_k": top, "probabilities": probabilities}
        yield json.dumps(row)


def comma_separated(answers):
    """Yields a head line and a CSV row for each answer."""
    yield "image,label,class_id,class_name,probability,error"
    for answer in answers:
        row = [answer.item.name, answer.item.label]
        if answer.error is not None:
            row += [None, None, None, answer.error]
        else:
            first = answer.top[0]
            probability = _decimal(first.probability)
            row += [first.class_id, first.class_name, probability, None]
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(row)
        yield line.getvalue()


def _decimal(value):
    """Returns the float of the fewest digits that say a float32."""
    return float(str(value))


FORMATS = {"table": table, "jsonl": jsonl, "csv": comma_separated}
