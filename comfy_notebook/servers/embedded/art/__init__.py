"""Abstract pictures from words and noise: what stands in for a diffusion model."""
