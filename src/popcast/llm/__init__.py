"""MultiSmpLLM: few-shot records, prompts, base model, tuning, decoding, preference pairs and IDPOP."""
