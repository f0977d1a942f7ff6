"""``multismpllm``: a language model reads an author's older posts with their scores and answers with a post's score."""

from popcast.fewshot.multismpllm.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
