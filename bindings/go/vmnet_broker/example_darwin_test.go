// SPDX-License-Identifier: Apache-2.0

package vmnet_broker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"testing"
	"time"

	"github.com/nirs/vmnet-broker/bindings/go/vmnet_broker"
)

// What Raw gives is for vmnet_network_create_with_serialization().
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	network, err := vmnet_broker.Acquire(ctx, "default")
	if err != nil {
		log.Fatal(err)
	}
	defer network.Close()
	fmt.Println(network.Name, network.Mode, network.Active)

	serialization, err := network.Serialization(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer serialization.Close()
	fmt.Println(serialization.Raw() != nil)
	// Output:
	// default shared true
	// true
}

func ExampleAcquireNetwork() {
	serialization, err := vmnet_broker.AcquireNetwork("shared")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(serialization.Raw() != nil)
	_, err = vmnet_broker.AcquireNetwork("lost")
	fmt.Println(errors.Is(err, vmnet_broker.ErrNotFound))
	// Output:
	// true
	// true
}

func TestCloseEndsAnEventThatIsWaitedFor(t *testing.T) {
	monitor, err := vmnet_broker.NewMonitor(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		for {
			if _, err := monitor.Next(context.Background()); err != nil {
				result <- err
				return
			}
		}
	}()
	monitor.Close()
	if err := <-result; !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
}

func TestInspect(t *testing.T) {
	ctx := context.Background()
	network, err := vmnet_broker.Acquire(ctx, "host")
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	broker, err := vmnet_broker.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	found, err := broker.Inspect(ctx, "host")
	if err != nil {
		t.Fatal(err)
	}
	if found.Network.IPv4Subnet != network.IPv4Subnet || len(found.Clients) != 1 ||
		found.Clients[0].PID != os.Getpid() || found.Network.RoguePackets != -1 {
		t.Fatal(found)
	}
	networks, err := broker.Networks(ctx)
	if err != nil || len(networks) != 2 || networks[1].Name != "host" {
		t.Fatal(networks, err)
	}
	if err := broker.Reload(ctx); !errors.Is(err, vmnet_broker.ErrNotAllowed) {
		t.Fatal(err)
	}
}

func TestACallAfterClose(t *testing.T) {
	broker, err := vmnet_broker.Connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	broker.Close()
	if _, err := broker.Networks(context.Background()); !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
}
