"""The policy engine beside a second implementation, and what must hold whatever the policy says."""
