"""What several objectives are made of; none of it is an objective, and no objective takes it from another."""
