"""Catalogue of public data sets: addresses, checksums and licences.

The checksums are those that others published, each with its `source`. Where none is published,
`commit` is the revision that the archive must name: this detects a mistake, but no forgery.
"""

from dataclasses import dataclass

GIGABYTE = 1_000_000_000


@dataclass(frozen=True)
class Archive:
    """An archive of a data set.

    Args:
        url: Its address.
        name: Name of the downloaded file.
        source: Where its checksum or size was published.
        sha256: Its SHA-256 in hexadecimal digits, or `None`.
        md5: Its MD5, where no SHA-256 is known.
        size_bytes: Its exact size, or `None` if unknown.
        max_bytes: Size at which the download is stopped, where the exact size is unknown.
        commit: For an archive made by GitHub: the revision that it must name.
        subfolder: The subfolder it is unpacked to, or `""`.
    """

    url: str
    name: str
    source: str
    sha256: str | None = None
    md5: str | None = None
    size_bytes: int | None = None
    max_bytes: int | None = None
    commit: str | None = None
    subfolder: str = ""


@dataclass(frozen=True)
class PublicDataset:
    """A public data set.

    Args:
        name: Its name in `CATALOGUE`, and of its folder.
        description: What it contains.
        licence: Its licence, as its authors name it.
        page: Address of the page that describes it and its licence.
        citation: The publication to cite.
        archives: Its archives.
        max_unpacked_bytes: Greatest size on disk.
    """

    name: str
    description: str
    licence: str
    page: str
    citation: str
    archives: tuple[Archive, ...]
    max_unpacked_bytes: int


TORCHAUDIO = "torchaudio, datasets/librispeech.py and datasets/speechcommands.py (BSD-2-Clause)"
OPENSLR = "https://www.openslr.org/resources"
DEMAND_FILES = "https://zenodo.org/records/1227121/files"
ESC_COMMIT = "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6"
PICOVOICE_COMMIT = "07680e826165cb234eef68d1bc06dfc188e57909"

LIBRISPEECH = (  # subset, sha256, greatest size in gigabytes
    ("dev-clean", "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3", 1),
    ("dev-other", "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365", 1),
    ("test-clean", "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23", 1),
    ("test-other", "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29", 1),
    ("train-clean-100", "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2", 10),
    ("train-clean-360", "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf", 40),
    ("train-other-500", "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2", 50),
)
DEMAND = (  # place, bytes, md5
    ("DKITCHEN", 110_501_049, "7ffbf52d7f4699f96927846103dc8788"),
    ("DLIVING", 80_170_627, "46741384d9e434a0bd8b3ec1830b6052"),
    ("DWASHING", 102_343_250, "7e5ee9437ce9409c5f9a779b6212a240"),
    ("NFIELD", 86_536_782, "a740046c6f4e174e16f5d568aaec5024"),
    ("NPARK", 86_029_332, "80f1385a34d7f1705758926b57f138ce"),
    ("NRIVER", 98_689_565, "54264db61d3fe073fb81f2e40e0d19b5"),
    ("OHALLWAY", 77_941_854, "fe918bbb0e63e73d09ba7f4843ef33f1"),
    ("OMEETING", 82_703_355, "62f7cfe7fe6d30b7d8a215fe37c2dfd2"),
    ("OOFFICE", 88_995_191, "7b61cc2d182d5a654cb9c3101ddd4041"),
    ("PCAFETER", 107_431_494, "99927d148128254141a9417d051510bb"),
    ("PRESTO", 111_292_815, "b98d2e6854eeebb397f29a8ad7457092"),
    ("PSTATION", 119_441_094, "d7448009f6c2aeb6ba570375df1750a3"),
    ("SPSQUARE", 110_928_528, "205d0e7b8fe74504a2f8d252fc414b9e"),
    ("STRAFFIC", 118_572_691, "2efa87262f272bbf9ba578088e81939c"),
    ("TBUS", 128_916_709, "706b11b0d8504f9f3b3f3211e91b3863"),
    ("TCAR", 130_045_975, "4d930012796bd298932245a26189f973"),
    ("TMETRO", 126_589_090, "95daf4df678e13b120e14211e6d89571"),
)


def _librispeech(subset: str, sha256: str, gigabytes: int) -> PublicDataset:
    return PublicDataset(
        name=f"librispeech-{subset}",
        description="Read English speech from audio books, 16 kHz FLAC, with transcripts",
        licence="CC BY 4.0",
        page="https://www.openslr.org/12",
        citation="Panayotov et al., LibriSpeech: an ASR corpus based on public domain audio books, "
        "ICASSP 2015",
        archives=(
            Archive(
                url=f"{OPENSLR}/12/{subset}.tar.gz",
                name=f"{subset}.tar.gz",
                source=TORCHAUDIO,
                sha256=sha256,
                max_bytes=gigabytes * GIGABYTE,
            ),
        ),
        max_unpacked_bytes=2 * gigabytes * GIGABYTE,
    )


def _github(repository: str, commit: str) -> str:
    return f"https://github.com/{repository}/archive/{commit}.zip"


DATASETS = (
    PublicDataset(
        name="speech-commands",
        description="Speech Commands v0.02: 105,829 one-second recordings of 35 words, and noise",
        licence="CC BY 4.0",
        page="https://arxiv.org/abs/1804.03209",
        citation="Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, "
        "arXiv:1804.03209",
        archives=(
            Archive(
                url="https://storage.googleapis.com/download.tensorflow.org/data/"
                "speech_commands_v0.02.tar.gz",
                name="speech_commands_v0.02.tar.gz",
                source=TORCHAUDIO,
                sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
                size_bytes=2_428_923_189,
            ),
        ),
        max_unpacked_bytes=8 * GIGABYTE,
    ),
    PublicDataset(
        name="picovoice-wake-words",
        description="Recordings of six wake words (alexa, computer, jarvis, smart mirror, snowboy, "
        "view glass), more than 300 each from more than 50 speakers, in audio/",
        licence="Apache-2.0",
        page="https://github.com/Picovoice/wake-word-benchmark",
        citation="Picovoice, Wake Word Benchmark",
        archives=(
            Archive(
                url=_github("Picovoice/wake-word-benchmark", PICOVOICE_COMMIT),
                name="wake-word-benchmark.zip",
                source="none is published",
                commit=PICOVOICE_COMMIT,
                max_bytes=2 * GIGABYTE,
            ),
        ),
        max_unpacked_bytes=3 * GIGABYTE,
    ),
    *(_librispeech(*subset) for subset in LIBRISPEECH),
    PublicDataset(
        name="musan",
        description="Music, speech and noise, 109 hours, 16 kHz WAV",
        licence="CC BY 4.0 (the corpus; LICENSE files name the terms of each recording)",
        page="https://www.openslr.org/17",
        citation="Snyder, Chen and Povey, MUSAN: A Music, Speech, and Noise Corpus, "
        "arXiv:1510.08484",
        archives=(
            Archive(
                url=f"{OPENSLR}/17/musan.tar.gz",
                name="musan.tar.gz",
                source="PaddleSpeech, dataset/musan/musan.py (Apache-2.0)",
                md5="0c472d4fc0c5141eca47ad1ffeb2a7df",
                max_bytes=15 * GIGABYTE,
            ),
        ),
        max_unpacked_bytes=25 * GIGABYTE,
    ),
    PublicDataset(
        name="demand",
        description="Noise in 17 places, 16 channels of 5 minutes each, 16 kHz WAV",
        licence="CC BY-SA 3.0",
        page="https://zenodo.org/records/1227121",
        citation="Thiemann, Ito and Vincent, The Diverse Environments Multi-channel Acoustic Noise "
        "Database (DEMAND), Proc. Meetings on Acoustics 19, 2013",
        archives=tuple(
            Archive(
                url=f"{DEMAND_FILES}/{place}_16k.zip",
                name=f"{place}_16k.zip",
                source="https://zenodo.org/api/records/1227121, as listed in public code",
                md5=md5,
                size_bytes=size_bytes,
                subfolder=f"{place}_16k",
            )
            for place, size_bytes, md5 in DEMAND
        ),
        max_unpacked_bytes=6 * GIGABYTE,
    ),
    PublicDataset(
        name="esc-50",
        description="2000 environmental sounds of 5 s in 50 classes, 44.1 kHz WAV",
        licence="CC BY-NC 3.0 (its part ESC-10: CC BY 3.0); not for commercial use",
        page="https://github.com/karolpiczak/ESC-50",
        citation="Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015",
        archives=(
            Archive(
                url=_github("karolpiczak/ESC-50", ESC_COMMIT),
                name="ESC-50.zip",
                source="none is published by the authors; GitHub makes the archive anew and may "
                "change its bytes",
                commit=ESC_COMMIT,
                max_bytes=2 * GIGABYTE,
            ),
        ),
        max_unpacked_bytes=3 * GIGABYTE,
    ),
)
CATALOGUE = {data_set.name: data_set for data_set in DATASETS}
