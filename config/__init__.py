"""Floor 4: wires everything together; nobody imports it."""
