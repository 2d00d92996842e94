// SPDX-License-Identifier: Apache-2.0

package vmnet_broker_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/nirs/vmnet-broker/bindings/go/vmnet_broker"
)

func ExampleCallError() {
	ctx := context.Background()
	broker, err := vmnet_broker.Connect(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	_, err = broker.Inspect(ctx, "lost")
	if errors.Is(err, vmnet_broker.ErrNotFound) {
		fmt.Println("there is no such network")
	}
	var failure *vmnet_broker.CallError
	if errors.As(err, &failure) {
		fmt.Println(failure)
	}
	// Output:
	// there is no such network
	// no network "lost" is configured; "vmnetctl networks" lists those that are
}

func ExampleMonitor() {
	ctx := context.Background()
	monitor, err := vmnet_broker.NewMonitor(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer monitor.Close()
	network, err := vmnet_broker.Acquire(ctx, "host")
	if err != nil {
		log.Fatal(err)
	}
	if err := network.Close(); err != nil {
		log.Fatal(err)
	}
	for {
		event, err := monitor.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if event.Network != "host" {
			continue // of somebody else's
		}
		fmt.Println(event.Type)
		if event.Type == vmnet_broker.NetworkRemoved {
			break
		}
	}
	// Output:
	// network_created
	// client_acquired
	// client_released
	// network_removed
}
