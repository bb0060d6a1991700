"""The site: ``sphinx-build -W --keep-going docs build/site``, where fastrelu is installed."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as each example sets it for itself

import fastrelu as fr
from sphinx_gallery.scrapers import figure_rst

project = "fastrelu"
release = version = fr.__version__
# numpydoc brings autodoc and autosummary. No intersphinx: the build needs no network.
extensions = ["myst_parser", "numpydoc", "sphinx_design", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["examples"]  # sphinx-gallery reads them
templates_path = ["_templates"]
default_role = "autolink"  # `relu` is a link, and `x` is none
nitpicky = True
nitpick_ignore_regex = [
    ("py:obj", r"(numpy|scipy|subprocess)\b.*"),  # not on this site
    ("py:obj", "where|calls|elements|active|nan|units|bits|shape|kind"),  # fields, without entries
]
suppress_warnings = ["config.cache"]  # sphinx_gallery_conf has functions

myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say it
numpydoc_show_class_members = False  # autodoc lists them

html_theme = "pydata_sphinx_theme"
html_title = "fastrelu"
html_sidebars = {"*": []}  # pages without a section have no neighbours to list
html_copy_source = False
html_theme_options = {"navbar_align": "left"}

PAGES = {"csrc/README.md": "cpp.md", "examples/README.md": "gallery/index.rst"}
PAGES |= {f"{name}.md": f"{name.lower()}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY")}


def write_here(gallery_conf, script_vars):
    """Give an example the arguments to write its pictures beside itself."""
    return ["--output", "."]


def take_pictures(block, block_vars, gallery_conf):
    """Move the pictures that an example has written beside itself to its page."""
    pictures = []
    for written in sorted(Path(block_vars["src_file"]).parent.glob("*.png")):
        place = shutil.move(written, next(block_vars["image_path_iterator"]))
        pictures.append(figure_rst([place], gallery_conf["src_dir"]))
    return "".join(pictures)


sphinx_gallery_conf = {
    "abort_on_example_error": True,
    "backreferences_dir": "gallery/uses",
    "doc_module": ("fastrelu",),
    "download_all_examples": False,
    "examples_dirs": "examples",
    "filename_pattern": r"\.py$",  # run all
    "gallery_dirs": "gallery",
    "image_scrapers": (take_pictures,),
    "notebook_extensions": (),  # they are programs with arguments
    "reset_argv": write_here,
    "write_computation_times": False,
}


def link_to_pages(app, *names_and_content):
    """Make links to files of the repository links to the pages that show them."""
    content = names_and_content[-1]
    for file, page in PAGES.items():
        content[0] = re.sub(rf"\]\((\.\./)*(docs/)?{file}", f"](/{page}", content[0])
    content[0] = re.sub(r"\]\((\.\./)*docs/", "](/", content[0])


def skip_field(app, what, name, obj, *_):
    """Leave out the fields of a named tuple, which have no words of their own."""
    return True if str(obj.__doc__).startswith("Alias for field number") else None


def no_signature(app, what, *_):
    """Keep numpydoc from a ufunc's signature, where autosummary of Sphinx 9.0 has no place."""
    return (None, "") if what == "data" else None


def setup(app):
    """Connect what no option says."""
    app.connect("source-read", link_to_pages)
    app.connect("include-read", link_to_pages)
    app.connect("autodoc-skip-member", skip_field)
    app.connect("autodoc-process-signature", no_signature, priority=0)
