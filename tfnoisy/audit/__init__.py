"""Which labels are wrong: by features, by predictions, by a run's evidence.

from tfnoisy import audit

found = audit.find_label_errors(labels, features)
found.is_label_issue, found.suggested_labels, found.wrongness
"""

from etils import epy

with epy.lazy_api_imports(globals()):
    from tfnoisy.audit.label_errors import LabelErrors, find_label_errors
    from tfnoisy.audit.near_duplicates import find as find_near_duplicates
    from tfnoisy.audit.noise_rate import choose_checks, estimate_noise_rate

__all__ = (
    "LabelErrors",
    "choose_checks",
    "estimate_noise_rate",
    "find_label_errors",
    "find_near_duplicates",
)
