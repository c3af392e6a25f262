"""Encoders, from features to embeddings.

A per-step encoder maps steps [steps, *features] to embeddings [steps, dim], each from its own step alone, as in the
paper's pre-training. A `ContextualEncoder` embeds each step in the context of the others, from padded sequences with
their lengths. `encode` runs either kind on padded sequences.

    encode           what an encoder is, and how to run one
    projection       frozen features, of video or text, to the shared space
    frames           pixels of frames and clips
    context          a transformer over the steps of a sequence
    bert             the paper's own encoders of video tokens and of text, on the transformers library
    pretrained       weights of BERT, and published checkpoints of VideoCLIP and TempCLR
    safe_checkpoint  torch checkpoints, read without creating the objects in them
    tuning           which parameters are trained: all, only LayerNorms, low-rank updates
"""

from tempclr.encoders._per_step import check_per_step as check_per_step
from tempclr.encoders.bert import BertShape as BertShape
from tempclr.encoders.bert import TextBert as TextBert
from tempclr.encoders.bert import VideoBert as VideoBert
from tempclr.encoders.context import ContextEncoder as ContextEncoder
from tempclr.encoders.encode import ContextualEncoder as ContextualEncoder
from tempclr.encoders.encode import encode as encode
from tempclr.encoders.encode import encode_in_context as encode_in_context
from tempclr.encoders.encode import encode_steps as encode_steps
from tempclr.encoders.encode import is_contextual as is_contextual
from tempclr.encoders.frames import ClipEncoder as ClipEncoder
from tempclr.encoders.frames import FrameEncoder as FrameEncoder
from tempclr.encoders.pretrained import load_bert as load_bert
from tempclr.encoders.pretrained import load_published as load_published
from tempclr.encoders.projection import MLP as MLP
from tempclr.encoders.projection import Projection as Projection
from tempclr.encoders.tuning import tune as tune
