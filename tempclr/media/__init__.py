"""Raw text (later: video) to features, by pretrained encoders that work offline."""
