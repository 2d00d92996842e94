module driver

go 1.19

require github.com/nirs/vmnet-broker/bindings/go v0.0.0

replace github.com/nirs/vmnet-broker/bindings/go => ../../../bindings/go
