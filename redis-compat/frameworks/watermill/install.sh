go_program watermill go.mod watermill .
