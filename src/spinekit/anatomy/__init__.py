"""What the bones are called: values, names, colours, orders and label schemes."""
