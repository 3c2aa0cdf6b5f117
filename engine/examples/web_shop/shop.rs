//! The shop: what customers and the bank ask of it, and what works behind.

use std::error::Error;
use std::sync::Arc;

use annals::Log;
use annals::sourcing::{
    Clock, ProcessManager, Processing, Repository, SubscriptionOptions, Subscriptions,
};

use crate::checkout::Checkout;
use crate::credit::{Credit, CreditCommand};
use crate::dashboard::{Counts, Dashboard, ORDERS};
use crate::order::{Order, OrderCommand};
use crate::payment::{Payment, PaymentCommand};
use crate::shipping::Shipping;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub struct Shop {
    orders: Repository<Order>,
    credits: Repository<Credit>,
    payments: Repository<Payment>,
    checkout: ProcessManager<Checkout>,
    shipping: Shipping,
    dashboard: Processing<Dashboard>,
}

impl Shop {
    pub fn open(log: Arc<Log>, clock: impl Clock + 'static) -> Result<Self> {
        let subscriptions = Subscriptions::new(log.clone());
        let options = SubscriptionOptions::new().filter(Checkout::filter());
        let checkout = Checkout::new(&log);
        let checkout = ProcessManager::open(&subscriptions, "checkout", &options, checkout)?;
        let options = SubscriptionOptions::new().filter(Dashboard::filter());
        Ok(Self {
            checkout: checkout.clock(clock),
            shipping: Shipping::open(&log, &subscriptions)?,
            dashboard: Processing::open(&subscriptions, "dashboard", &options, Dashboard)?,
            orders: Repository::new(log.clone()),
            credits: Repository::new(log.clone()),
            payments: Repository::new(log),
        })
    }

    pub fn grant_credit(&self, customer: &str, cents: u64) -> Result<()> {
        self.credits.execute(customer, CreditCommand::Grant { cents })?;
        Ok(())
    }

    pub fn place_order(&self, order: u64, customer: &str, cents: u64) -> Result<()> {
        let customer = customer.to_owned();
        self.orders.save(order, OrderCommand::Place { customer, cents })?;
        Ok(())
    }

    pub fn receive_payment(&self, order: u64) -> Result<()> {
        self.payments.update(order, PaymentCommand::Receive)?;
        Ok(())
    }

    pub fn cancel_order(&self, order: u64) -> Result<()> {
        let why = "the customer wants it no more".to_owned();
        self.orders.update(order, OrderCommand::Cancel { why })?;
        Ok(())
    }

    pub fn return_order(&self, order: u64) -> Result<()> {
        self.orders.update(order, OrderCommand::Return)?;
        Ok(())
    }

    /// Has everything behind go on until there is nothing left to do. In a program that stays,
    /// each of the three has a thread of its own, with `run`.
    pub fn settle(&mut self) -> Result<()> {
        loop {
            let led = self.checkout.catch_up()?;
            let shipped = self.shipping.catch_up()?;
            let counted = self.dashboard.catch_up()?;
            if led + shipped + counted == 0 {
                return Ok(());
            }
        }
    }

    pub fn dashboard(&self) -> Result<Counts> {
        let mut counts = self.dashboard.state(ORDERS)?.unwrap_or_default();
        counts.retain(|_, count| *count > 0);
        Ok(counts)
    }

    pub fn credit_left(&self, customer: &str) -> Result<u64> {
        Ok(self.credits.find(customer)?.map_or(0, |credit| credit.state.left()))
    }
}
