"""The cloud side of edgecam: `fleet.yaml` becomes stacks."""
