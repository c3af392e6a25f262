"""Features to embeddings.

An encoder of single steps takes steps [steps, *features] to embeddings [steps, dim], each by itself, as
the paper's pre-training does. One that looks across steps declares `contextual = True` and takes padded
sequences [batch, steps, *features] with their lengths. `encode` runs either on padded sequences.

    projection    frozen features, of video or text, to the shared space
    frames        pixels of frames and clips
    context       a transformer over the steps of a sequence
    bert          the paper's own encoders of video tokens and of text, by the library transformers
    pretrained    weights of BERT and published checkpoints of VideoCLIP and TempCLR
    safe_checkpoint  files of torch that hold more than tensors, read without making the rest
    tuning        which weights are trained: all, LayerNorms alone, low-rank updates
"""

from tempclr.encoders.bert import BertShape as BertShape
from tempclr.encoders.bert import TextBert as TextBert
from tempclr.encoders.bert import VideoBert as VideoBert
from tempclr.encoders.context import ContextEncoder as ContextEncoder
from tempclr.encoders.encode import check_single_steps as check_single_steps
from tempclr.encoders.encode import encode as encode
from tempclr.encoders.encode import encode_across as encode_across
from tempclr.encoders.encode import encode_steps as encode_steps
from tempclr.encoders.encode import is_contextual as is_contextual
from tempclr.encoders.frames import ClipEncoder as ClipEncoder
from tempclr.encoders.frames import FrameEncoder as FrameEncoder
from tempclr.encoders.pretrained import load_bert as load_bert
from tempclr.encoders.pretrained import load_published as load_published
from tempclr.encoders.projection import MLP as MLP
from tempclr.encoders.projection import Projection as Projection
from tempclr.encoders.tuning import tune as tune
