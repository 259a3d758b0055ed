"""Public data sets by name: downloaded once, checked, unpacked and tabulated.

* `CATALOGUE` describes the data sets, each a `PublicDataset` of one `Archive` or several;
* `download` makes a folder of recordings from one of them, and prints its licence first;
* `tabulate` writes the table of such a folder, or of folders of your own;
* `fetch` and `unpack` are the steps of `download`: one checked file, and an archive that is not
  trusted.

`download("speech-commands", "data")` makes `data/speech-commands`, with a table of recordings for
`keras_sal.data.load_recordings` and `keras-sal align`.

    >>> from keras_sal.data import downloads
    >>> sorted(downloads.CATALOGUE)[:3]
    ['demand', 'esc-50', 'librispeech-dev-clean']
    >>> downloads.CATALOGUE["musan"].page
    'https://www.openslr.org/17'
"""

from keras_sal.data.downloads.catalogue import CATALOGUE, Archive, PublicDataset
from keras_sal.data.downloads.dataset import download
from keras_sal.data.downloads.layouts import tabulate
from keras_sal.data.downloads.transfer import fetch
from keras_sal.data.downloads.unpacking import unpack

__all__ = ["CATALOGUE", "Archive", "PublicDataset", "download", "fetch", "tabulate", "unpack"]
