// SPDX-License-Identifier: Apache-2.0

package vmnet_broker_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"time"

	"github.com/nirs/vmnet-broker/bindings/go/vmnet_broker"
)

// A program that is started gets the open device as its descriptor 3.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	network, err := vmnet_broker.Acquire(ctx, "default")
	if err != nil {
		log.Fatal(err)
	}
	defer network.Close()
	fmt.Println(network.Name, network.Mode, network.Active)

	nic, err := network.Attach(ctx, &vmnet_broker.AttachOptions{MAC: "52:54:00:12:34:56"})
	if err != nil {
		log.Fatal(err)
	}
	defer nic.Close()
	fmt.Println(nic.MAC)

	machine := exec.Command("readlink", "/proc/self/fd/3")
	machine.ExtraFiles = []*os.File{nic.File()}
	machine.Stdout = os.Stdout
	if err := machine.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// default shared true
	// 52:54:00:12:34:56
	// /dev/net/tun
}
