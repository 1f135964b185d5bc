go_program dapr go.mod dapr .
