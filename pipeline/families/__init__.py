"""From a diffusers network to the stream's `Denoiser`, a module a family of networks."""
