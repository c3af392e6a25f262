"""How Sphinx makes the site; `docs/build.py` calls it on a copy of this folder, with the generated pages beside."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import tempclr

project = "TempCLR"
author = "The TempCLR toolkit developers"
project_copyright = author
release = version = tempclr.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_copybutton", "reference", "mathml"]
exclude_patterns = ["_ext"]
root_doc = "index"

# pages
myst_enable_extensions = ["dollarmath", "deflist", "attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # they are executed by `docs/build.py`, whose views then need no kernel
nb_ipywidgets_js = {}  # nothing from a network
nb_merge_streams = True
suppress_warnings = [
    "mystnb.unknown_mime_type",  # of plotly, which also leaves HTML
    "ref.python",  # types in signatures whose names two modules define
]

# reference
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
default_role = "code"
highlight_language = "none"  # of blocks that do not say, such as formulas in docstrings
viewcode_line_numbers = True

# looks
html_theme = "furo"
html_title = "TempCLR"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
