module kitcert/peers

go 1.25
