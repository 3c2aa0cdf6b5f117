//! The process (saga) of an order: credit is reserved, the payment requested, the order marked
//! as paid and shipped. Whatever cannot go on is undone, the last thing first.
//!
//! Whatever it is cut off at, an input is handled with everything that comes of it, or not at
//! all: there is no order with credit reserved for it that nobody knows of.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use annals::sourcing::{EventEnum, Outputs, Process, Repository, event_types};
use annals::{Event, Filter, Log};
use serde::{Deserialize, Serialize};

use crate::credit::{Credit, CreditCommand};
use crate::order::{Order, OrderCommand};
use crate::payment::{Payment, PaymentCommand};

/// How long an order may stay unpaid.
const PAYMENT: (&str, Duration) = ("payment", Duration::from_secs(30 * 60));

/// How long a customer may send it back.
const RETURN: (&str, Duration) = ("return", Duration::from_secs(14 * 24 * 3600));

/// What it follows: of all streams, these types.
#[derive(Debug, Serialize, Deserialize)]
enum Followed {
    OrderPlaced { customer: String, cents: u64 },
    OrderCancelled {},
    OrderReturned,
    PaymentReceived {},
    ParcelSent,
}

event_types! {
    Followed {
        OrderPlaced = "order-placed",
        OrderCancelled = "order-cancelled",
        OrderReturned = "order-returned",
        PaymentReceived = "payment-received",
        ParcelSent = "parcel-sent",
    }
}

pub struct Checkout {
    orders: Repository<Order>,
    credits: Repository<Credit>,
    payments: Repository<Payment>,
}

/// What it keeps of an order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Led {
    customer: String,
}

/// What undoes a thing that was done.
#[derive(Debug, Serialize, Deserialize)]
pub enum Undo {
    ReleaseCredit,
    UndoPayment,
}

impl Checkout {
    pub fn new(log: &Arc<Log>) -> Self {
        Self {
            orders: Repository::new(log.clone()),
            credits: Repository::new(log.clone()),
            payments: Repository::new(log.clone()),
        }
    }

    pub fn filter() -> Filter {
        Followed::TYPES.iter().fold(Filter::new(), |filter, seen| filter.event_type(seen.name))
    }

    fn placed(
        &self,
        customer: &str,
        cents: u64,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Box<dyn Error>> {
        let order = out.correlation().to_owned();
        let reserve = CreditCommand::Reserve { order: order.clone(), cents };
        if let Err(refusal) = out.execute(&self.credits, customer, &reserve)? {
            return self.give_up(&refusal.to_string(), out);
        }
        out.compensate_with(Undo::ReleaseCredit);
        out.execute(&self.payments, &order, &PaymentCommand::Request { cents })??;
        out.compensate_with(Undo::UndoPayment);
        out.deadline_in(PAYMENT.0, PAYMENT.1);
        Ok(())
    }

    fn release(&self, led: &Led, out: &mut Outputs<'_, Self>) -> Result<(), Box<dyn Error>> {
        let release = CreditCommand::Release { order: out.correlation().to_owned() };
        out.execute(&self.credits, &led.customer, &release)??;
        Ok(())
    }

    /// Cancels the order, if that was not done, and undoes what was done for it.
    fn give_up(&self, why: &str, out: &mut Outputs<'_, Self>) -> Result<(), Box<dyn Error>> {
        let (order, why) = (out.correlation().to_owned(), why.to_owned());
        // It refuses if the customer was faster, which is as good.
        let _ = out.execute(&self.orders, &order, &OrderCommand::Cancel { why })?;
        out.compensate();
        out.end();
        Ok(())
    }
}

impl Process for Checkout {
    type State = Led;
    type Compensation = Undo;
    type Error = Box<dyn Error>;
    const STATE_SCHEMA: u32 = 1;

    /// Everything of an order is under its number: `order-17`, `payment-17`, `shipment-17`.
    fn correlation(&self, event: &Event<'_>) -> Option<String> {
        event.stream().split_once('-').map(|(_, order)| order.to_owned())
    }

    fn handle(
        &self,
        led: &mut Led,
        event: &Event<'_>,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Box<dyn Error>> {
        let order = out.correlation().to_owned();
        for part in Followed::decode(event)? {
            match part.event {
                Followed::OrderPlaced { customer, cents } => {
                    self.placed(&customer, cents, out)?;
                    led.customer = customer;
                }
                Followed::PaymentReceived {} => {
                    out.cancel_deadline(PAYMENT.0);
                    match out.execute(&self.orders, &order, &OrderCommand::Pay)? {
                        Ok(_) => self.release(led, out)?,
                        // It was cancelled meanwhile: what was received is given back.
                        Err(refusal) => self.give_up(&refusal.to_string(), out)?,
                    }
                }
                Followed::ParcelSent => {
                    out.execute(&self.orders, &order, &OrderCommand::Ship)??;
                    out.deadline_in(RETURN.0, RETURN.1);
                }
                Followed::OrderCancelled {} | Followed::OrderReturned => {
                    out.compensate();
                    out.end();
                }
            }
        }
        Ok(())
    }

    fn deadline(
        &self,
        _: &mut Led,
        name: &str,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Box<dyn Error>> {
        if name == PAYMENT.0 {
            return self.give_up("not paid in time", out);
        }
        // Nobody sends it back any more.
        out.end();
        Ok(())
    }

    fn compensate(
        &self,
        led: &mut Led,
        undo: Undo,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Box<dyn Error>> {
        match undo {
            Undo::ReleaseCredit => self.release(led, out)?,
            Undo::UndoPayment => {
                let order = out.correlation().to_owned();
                out.execute(&self.payments, &order, &PaymentCommand::Undo)??;
            }
        }
        Ok(())
    }
}
