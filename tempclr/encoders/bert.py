"""The paper's encoders: BERT over the tokens of one clip, and over the word pieces of one sentence.

Both encode one step at a time and pool by a mean, so no embedding depends on another clip or sentence. They are
built on the transformers library (extra `paper`), which is imported when an encoder is created.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tempclr._util.optional import import_optional
from tempclr.encoders.projection import MLP
from tempclr.sequences import check_lengths, step_mask


@dataclass(frozen=True)
class BertShape:
    """The shape of a BERT except its number of layers; the defaults are those of bert-base-uncased."""

    dim: int = 768  # of tokens and embeddings
    heads: int = 12
    inner: int = 3072  # width of the MLP in every layer
    words: int = 30_522  # word pieces in the vocabulary
    positions: int = 512
    dropout: float = 0.1  # rate in training, of embeddings, attention and updates
    begin: int = 101  # [CLS], index in the vocabulary
    end: int = 102  # [SEP], index in the vocabulary

    def __post_init__(self) -> None:
        if self.heads < 1 or self.dim % self.heads:
            raise ValueError(f"expected a dim that is a multiple of the {self.heads} heads, got {self.dim}")
        if not (0 < self.begin < self.words and 0 < self.end < self.words):
            raise ValueError(
                f"expected indices of [CLS] and [SEP] from 1 to {self.words - 1}, got {self.begin}, {self.end}"
            )

    def model(self, layers: int) -> nn.Module:
        """Return an untrained BERT with that many layers, without the unused pooler.

        Raises:
            ValueError: If the extra `paper` is not installed.
        """
        library = import_optional("transformers", "paper")
        config = library.BertConfig(
            vocab_size=self.words,
            hidden_size=self.dim,
            num_hidden_layers=layers,
            num_attention_heads=self.heads,
            intermediate_size=self.inner,
            max_position_embeddings=self.positions,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
            attn_implementation="sdpa",  # takes boolean masks
        )
        return library.BertModel(config, add_pooling_layer=False)


class VideoBert(nn.Module):
    """One embedding per clip: an MLP on each token, BERT over [CLS] tokens [SEP], then a mean.

    As published, the mean is over the tokens and [SEP], without [CLS], and [SEP] always has the position after the
    longest possible clip.

    Args:
        shape: Of the BERT.
        layers: Of the BERT; published: 6.
        features: Width of a token; 512 for S3D at one token per second.
        most: Maximum number of tokens of a clip; published: 32.

    Raises:
        ValueError: If the BERT has too few positions, or the extra `paper` is not installed.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, section 3.2, and its published configuration.
    """

    def __init__(self, shape: BertShape | None = None, *, layers: int = 6, features: int = 512, most: int = 32) -> None:
        super().__init__()
        self.shape, self.most = shape or BertShape(), most
        _check_positions(self.shape, most)
        self.videomlp = MLP(features, self.shape.dim)
        self.bert = self.shape.model(layers)

    def extra_repr(self) -> str:
        """Return the settings that no submodule shows."""
        return f"{self.shape}, most={self.most}"

    def forward(
        self, tokens: Float[Tensor, "clips tokens features"], lengths: Int[Tensor, " clips"] | None = None
    ) -> Float[Tensor, "clips dim"]:
        """Return one embedding per clip.

        Args:
            tokens: Of each clip, padded at the end.
            lengths: True number of tokens of each clip. By default, all-zero tokens at the end are padding.

        Raises:
            ValueError: If a clip has no token or too many, or tokens have the wrong width.
        """
        tokens, mask = self._real(tokens, lengths)
        states = self._states(tokens, mask, begin=True)
        counted = torch.cat((mask, torch.ones_like(mask[:, :1])), 1)  # the tokens and [SEP]
        return _mean(states[:, 1:], counted)

    def tokens(
        self, tokens: Float[Tensor, "clips tokens features"], lengths: Int[Tensor, " clips"] | None = None
    ) -> Float[Tensor, "clips tokens dim"]:
        """Return one embedding per token, in the context of its clip, and 0 at padding.

        The published models localise actions in this way; as in their code, [CLS] is masked.
        Arguments and errors are those of `forward`.
        """
        real, mask = self._real(tokens, lengths)
        states = self._states(real, mask, begin=False)[:, 1:-1].masked_fill(~mask[..., None], 0)
        return nn.functional.pad(states, (0, 0, 0, tokens.shape[1] - real.shape[1]))

    def _real(self, tokens: Tensor, lengths: Tensor | None) -> tuple[Tensor, Bool[Tensor, "clips tokens"]]:
        """Tokens, and a mask that is True where they are real; refuses wrong shapes and lengths."""
        features = self.videomlp.features
        if tokens.ndim != 3 or tokens.shape[2] != features:
            raise ValueError(f"expected clips [clips, tokens, {features}], got {tuple(tokens.shape)}")
        return _real(tokens, tokens.ne(0).any(-1), lengths, self.most)

    def _states(
        self, tokens: Float[Tensor, "clips tokens features"], mask: Bool[Tensor, "clips tokens"], *, begin: bool
    ) -> Float[Tensor, "clips tokens+2 dim"]:
        """States of [CLS], each token and [SEP] after the last layer."""
        clips, length = mask.shape
        marks = torch.tensor([self.shape.begin, self.shape.end], device=mask.device).expand(clips, 2)
        words: Any = self.bert.embeddings
        first, last = words.word_embeddings(marks).split(1, 1)
        video = self.videomlp(tokens.masked_fill(~mask[..., None], 0))  # padding may hold anything, even NaN
        places = torch.arange(length + 2, device=mask.device)
        places[-1] = self.most + 1
        seen = torch.cat((torch.full_like(mask[:, :1], begin), mask, torch.ones_like(mask[:, :1])), 1)
        return self.bert(
            inputs_embeds=torch.cat((first, video, last), 1),
            attention_mask=seen[:, None, None],
            position_ids=places[None],
            token_type_ids=torch.zeros_like(seen, dtype=torch.int64),
        ).last_hidden_state


class TextBert(nn.Module):
    """One embedding per sentence, from its word pieces: BERT over [CLS] pieces [SEP], then their mean.

    As published, the mean is over the pieces and [SEP], without [CLS]. The input holds indices of word pieces, as from
    `data.wordpieces`, so no vocabulary is needed.

    Args:
        shape: Of the BERT.
        layers: Of the BERT; published: 12.
        most: Maximum number of word pieces of a sentence; published: 61 (96 in all, less 32 video tokens, [CLS] and
            two [SEP]).
        pool_begin: Whether the mean includes [CLS], as in Sentence-BERT.

    Raises:
        ValueError: If the BERT has too few positions, or the extra `paper` is not installed.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, section 3.2, and its published configuration.
    """

    def __init__(
        self, shape: BertShape | None = None, *, layers: int = 12, most: int = 61, pool_begin: bool = False
    ) -> None:
        super().__init__()
        self.shape, self.most, self.pool_begin = shape or BertShape(), most, pool_begin
        _check_positions(self.shape, most)
        self.bert = self.shape.model(layers)

    def extra_repr(self) -> str:
        """Return the settings that no submodule shows."""
        return f"{self.shape}, most={self.most}, pool_begin={self.pool_begin}"

    def forward(
        self, pieces: Int[Tensor, "sentences pieces"], lengths: Int[Tensor, " sentences"] | None = None
    ) -> Float[Tensor, "sentences dim"]:
        """Return one embedding per sentence.

        Args:
            pieces: Indices of the word pieces of each sentence, without [CLS] and [SEP], padded at the end.
            lengths: True number of word pieces of each sentence. By default, zeros at the end ([PAD]) are padding.

        Raises:
            ValueError: If a sentence has no word piece or too many, or an index is not in the vocabulary.
        """
        if pieces.ndim != 2 or pieces.is_floating_point():
            raise ValueError(
                f"expected indices of word pieces [sentences, pieces], got {tuple(pieces.shape)} of {pieces.dtype}"
            )
        pieces, mask = _real(pieces, pieces != 0, lengths, self.most)
        pieces = pieces.long().masked_fill(~mask, 0)
        self._check_vocabulary(pieces)
        inside = nn.functional.pad(mask, (2, 0), value=True)  # [CLS], pieces and [SEP], without gaps
        pieces = nn.functional.pad(pieces, (1, 1))
        pieces[:, 0] = self.shape.begin
        pieces = pieces.scatter(1, inside.sum(1, keepdim=True) - 1, self.shape.end)
        states = self.bert(
            input_ids=pieces, attention_mask=inside[:, None, None], token_type_ids=torch.zeros_like(pieces)
        ).last_hidden_state
        return _mean(states, inside) if self.pool_begin else _mean(states[:, 1:], inside[:, 1:])

    def _check_vocabulary(self, pieces: Tensor) -> None:
        """Refuse indices outside the vocabulary."""
        if pieces.is_meta or pieces.numel() == 0:
            return
        least, greatest = (int(value) for value in pieces.aminmax())
        if least < 0 or greatest >= self.shape.words:
            raise ValueError(f"expected word pieces from 0 to {self.shape.words - 1}, got {least} to {greatest}")


def _real(
    tokens: Tensor, nonzero: Bool[Tensor, "steps tokens"], lengths: Tensor | None, most: int
) -> tuple[Tensor, Bool[Tensor, "steps kept"]]:
    """At most `most` tokens, and which of them are real: by `lengths`, or up to the last that is not 0."""
    steps, count = nonzero.shape
    if lengths is None:
        lengths = (nonzero * torch.arange(1, count + 1, device=nonzero.device)).amax(1) if count else nonzero.sum(1)
    elif lengths.shape != (steps,):
        raise ValueError(f"expected one length for each of {steps} steps, got {tuple(lengths.shape)}")
    check_lengths(lengths, count, "tokens per step")
    if count > most and not lengths.is_meta and lengths.amax() > most:
        raise ValueError(f"expected at most {most} tokens per step, got {int(lengths.amax())}; cut or split the step")
    return tokens[:, :most], step_mask(lengths, min(count, most))


def _mean(states: Float[Tensor, "steps tokens dim"], mask: Bool[Tensor, "steps tokens"]) -> Float[Tensor, "steps dim"]:
    """Mean over the tokens where the mask is True."""
    return states.masked_fill(~mask[..., None], 0).sum(1) / mask.sum(1, keepdim=True)


def _check_positions(shape: BertShape, most: int) -> None:
    """Refuse more tokens per step than there are positions."""
    if not 1 <= most <= shape.positions - 2:
        raise ValueError(
            f"expected 1 to {shape.positions - 2} tokens per step ({shape.positions} positions less [CLS] and [SEP]), "
            f"got {most}"
        )
