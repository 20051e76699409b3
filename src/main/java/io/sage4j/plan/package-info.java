/**
 * Turns an attention problem into a task graph: {@link io.sage4j.plan.AttentionPlan} owns the arrays and runs the steps.
 * The only place that knows their order.
 */
package io.sage4j.plan;
