"""Functions with derivative rules of their own: `custom_jvp` and `custom_vjp`."""
