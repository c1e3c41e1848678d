"""A result put where an earlier one of the scan lies: no file stays that would contradict it.

It knows paths and what reports list, in whatever layout; not how a result came about.
"""

from spinekit.io.reports import StoredReport
from spinekit.layouts.registry import Layout
from spinekit.layouts.wanted import Wanted
from spinekit.segmentation import Segmentation, settle_over


def replace_result(
    layout: Layout, result: Segmentation, wanted: Wanted, *, beside: bool = False
) -> StoredReport:
    """Write a result; what an earlier run wrote of the scan and this one does not is removed.

    A file goes only where the earlier report lists it and the layout has its name for this scan,
    and once the new files are in place. So does what an earlier change of names could be undone by.

    Args:
        layout: Where its files go.
        result: The result.
        wanted: What of it.
        beside: Leave the other files of the earlier run, such as the same in another format; not
            labels that say something else.

    Returns:
        The report as written; its `files` are those of the result, with those left beside it.

    Raises:
        OutputError: A file cannot be written or removed.
    """
    place = layout.plan(wanted)
    path = place.path("json")
    kinds = {name: kind for other in layout.reach(wanted) for kind, name in other.files.items()}
    new = {name: kind for kind, name in place.files.items()}
    before = StoredReport.find(path)
    settle = settle_over(before, place.root, new, kinds, place.undo, beside=beside)
    layout.write(result, wanted, settle)
    return StoredReport.read(path)
