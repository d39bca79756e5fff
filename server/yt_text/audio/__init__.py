"""From a recording's bytes to chunks of speech.

reader.AudioReader      what the service uses: an asynchronous iterator of chunks
└── child               a process of its own for each recording, with limits
    ├── decode          bytes -> 16 kHz mono PCM
    ├── speech          PCM -> how likely each 32 ms is speech
    └── chunks          PCM and likelihoods -> chunks of speech
timeline                what a chunk is, and the way back from its times to the recording's
"""
