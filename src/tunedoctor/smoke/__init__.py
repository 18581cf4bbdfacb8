"""The smoke training from outside: start the scripts in the target, judge what they tell, name the cause."""
