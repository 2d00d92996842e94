module github.com/nirs/vmnet-broker/bindings/go

go 1.19
