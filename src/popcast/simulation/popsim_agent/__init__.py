"""``popsim_agent``: the prediction agent of PopSim, a language model that is told how a simulated audience reacted."""

from popcast.simulation.popsim_agent.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
