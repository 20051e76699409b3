/**
 * The machine under tornado-jvm's {@code uk.ac.manchester.tornado.api}: it runs kernels on the JVM with the semantics of
 * a device.
 *
 * <p>A {@link io.sage4j.tornadojvm.Launch} is one kernel over a grid. Its {@link io.sage4j.tornadojvm.WorkGroup groups}
 * run on as many virtual threads as there are cores. A group runs its {@link io.sage4j.tornadojvm.WorkItem items} one
 * after another in one thread until an item waits for the others, at a barrier or in a warp operation; only then does
 * each of the remaining items get a virtual thread of its own.
 */
package io.sage4j.tornadojvm;
