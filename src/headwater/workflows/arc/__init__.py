"""The puzzles of the Abstraction and Reasoning Corpus: what they are, what models are asked, how answers are judged."""
